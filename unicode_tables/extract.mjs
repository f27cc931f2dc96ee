// Pin the inputs of generate.py: two npm packages in, one data folder out.
//
//   node unicode_tables/extract.mjs UNICODE_PACKAGE ALIASES_PACKAGE unicode_tables/data/16.0
//
// UNICODE_PACKAGE is an unpacked @unicode/unicode-X.Y.Z, ALIASES_PACKAGE an unpacked
// unicode-property-value-aliases of the same Unicode version. The folder receives the text files that
// README.md describes and their SHA256SUMS. Ranges in both directions are inclusive.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const load = async (...parts) => (await import(pathToFileURL(join(...parts)))).default;

const origin = (folder) => {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return `# extracted from the npm package ${name} ${version}`;
};

const hex = (codePoint) => codePoint.toString(16).toUpperCase().padStart(4, '0');

// The package's ranges are half open.
const readRanges = async (folder, kind, name) =>
  (await load(folder, kind, name, 'ranges.mjs')).map(({ begin, end }) => ({ first: begin, last: end - 1 }));

const line = ({ first, last }, value) => `${hex(first)}..${hex(last)};${value}`;

// Rows of one category: short name, long name, further names.
const readAliases = (folder) => {
  const aliases = createRequire(import.meta.url)(folder).get('General_Category');
  const rows = new Map();
  for (const [alias, long] of aliases) {
    if (!rows.has(long)) rows.set(long, [long]);
    if (alias.length <= 2) rows.get(long).unshift(alias);
    else rows.get(long).push(alias);
  }
  return [...rows.values()];
};

const isTwoLetterCategory = ([short]) => short.length === 2 && short !== 'LC';

const generalCategoryLines = async (folder, rows) => {
  const ranges = [];
  for (const [short, long] of rows.filter(isTwoLetterCategory)) {
    for (const range of await readRanges(folder, 'General_Category', long)) ranges.push({ ...range, short });
  }
  ranges.sort((a, b) => a.first - b.first);
  return ranges.map((range) => line(range, range.short));
};

const binaryPropertyLines = async (folder, name) =>
  (await readRanges(folder, 'Binary_Property', name)).map((range) => line(range, name));

const writeFolder = (folder, files) => {
  mkdirSync(folder, { recursive: true });
  const sums = [];
  for (const [name, lines] of Object.entries(files)) {
    const text = `${lines.join('\n')}\n`;
    writeFileSync(join(folder, name), text);
    sums.push(`${createHash('sha256').update(text).digest('hex')}  ${name}\n`);
  }
  writeFileSync(join(folder, 'SHA256SUMS'), sums.join(''));
};

const [unicodePackage, aliasesPackage, outputFolder] = process.argv.slice(2).map((path) => resolve(path));
if (!outputFolder) {
  console.error('expected three folders: UNICODE_PACKAGE ALIASES_PACKAGE OUTPUT');
  process.exit(2);
}
const aliasRows = readAliases(aliasesPackage);
const unicodeOrigin = origin(unicodePackage);
writeFolder(outputFolder, {
  'alphabetic.txt': [unicodeOrigin, ...(await binaryPropertyLines(unicodePackage, 'Alphabetic'))],
  'general_category.txt': [unicodeOrigin, ...(await generalCategoryLines(unicodePackage, aliasRows))],
  'property_value_aliases.txt': [origin(aliasesPackage), ...aliasRows.map((row) => row.join(';'))],
  'white_space.txt': [unicodeOrigin, ...(await binaryPropertyLines(unicodePackage, 'White_Space'))],
});
