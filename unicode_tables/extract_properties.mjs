// Pin the inputs of generate.py: two npm packages in, one data folder out.
//
//   node unicode_tables/extract_properties.mjs UNICODE_PACKAGE ALIASES_PACKAGE unicode_tables/properties/16.0
//
// A line is `name;further names;ranges`: names with spaces between them, ranges inclusive, hexadecimal, `first-last` or
// `first`. The packages are those of extract.mjs.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const BINARY = `ASCII_Hex_Digit Bidi_Control Case_Ignorable Cased Changes_When_Casefolded Changes_When_Casemapped
  Changes_When_Lowercased Changes_When_Titlecased Changes_When_Uppercased Dash Default_Ignorable_Code_Point Deprecated
  Diacritic Emoji Emoji_Component Emoji_Modifier Emoji_Modifier_Base Emoji_Presentation Extended_Pictographic Extender
  Grapheme_Base Grapheme_Extend Grapheme_Link Hex_Digit Hyphen ID_Continue ID_Start IDS_Binary_Operator
  IDS_Trinary_Operator Ideographic Join_Control Logical_Order_Exception Lowercase Math Noncharacter_Code_Point
  Pattern_Syntax Pattern_White_Space Prepended_Concatenation_Mark Quotation_Mark Radical Regional_Indicator
  Sentence_Terminal Soft_Dotted Terminal_Punctuation Unified_Ideograph Uppercase Variation_Selector XID_Continue
  XID_Start`.split(/\s+/);

const [unicodePackage, aliasesPackage, output] = process.argv.slice(2).map((path) => resolve(path));
const load = async (...parts) => (await import(pathToFileURL(join(...parts)))).default;
const hex = (codePoint) => codePoint.toString(16).toUpperCase();
const shown = ({ begin, end }) => (begin + 1 === end ? hex(begin) : `${hex(begin)}-${hex(end - 1)}`);
const known = createRequire(import.meta.url)(aliasesPackage);

const furtherNames = (property, name) =>
  [...(known.get(property) ?? new Map())].filter(([, long]) => long === name).map(([alias]) => alias);

const lines = async (kind, names, further) => {
  const found = [];
  for (const name of names) {
    if (!existsSync(join(unicodePackage, kind, name))) continue;
    const ranges = await load(unicodePackage, kind, name, 'ranges.mjs');
    found.push(`${name};${further(name).join(' ')};${ranges.map(shown).join(' ')}`);
  }
  return found;
};

const scripts = readdirSync(join(unicodePackage, 'Script'));
const none = () => [];
const files = {
  'binary.txt': await lines('Binary_Property', BINARY, none),
  'script_extensions.txt': await lines('Script_Extensions', readdirSync(join(unicodePackage, 'Script_Extensions')), none),
  'scripts.txt': await lines('Script', scripts, (name) => furtherNames('Script', name)),
};
mkdirSync(output, { recursive: true });
const sums = [];
for (const [name, rows] of Object.entries(files)) {
  const text = `${rows.join('\n')}\n`;
  writeFileSync(join(output, name), text);
  sums.push(`${createHash('sha256').update(text).digest('hex')}  ${name}\n`);
}
writeFileSync(join(output, 'SHA256SUMS'), sums.join(''));
