// The package as `npm install` gives it to a web app: its files are there, and what they export.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';

const home = new URL('../../', import.meta.url).pathname;
const folder = mkdtempSync(`${tmpdir()}/haumana-package-`);
const run = (program, ...words) => execFileSync(program, words, { cwd: folder, encoding: 'utf8' });
const packed = run('npm', 'pack', '--silent', home).trim();
writeFileSync(`${folder}/package.json`, '{ "type": "module" }');
run('npm', 'install', '--silent', '--offline', '--no-audit', '--no-fund', `./${packed}`);
writeFileSync(`${folder}/app.js`, `
  import { readFileSync } from 'node:fs';
  import { fileURLToPath } from 'node:url';
  import { initSync, PageReplica } from 'haumana-web';
  import { openHost } from 'haumana-web/host.js';
  initSync({ module: readFileSync(fileURLToPath(import.meta.resolve('haumana-web/haumana_web_bg.wasm'))) });
  console.log(typeof PageReplica.open, typeof openHost);`);
assert.equal(run('node', 'app.js').trim(), 'function function');

const { version, exports } = JSON.parse(readFileSync(`${home}package.json`, 'utf8'));
const [, workspace] = readFileSync(`${home}../Cargo.toml`, 'utf8').match(/^version = "(.*)"$/m);
assert.equal(version, workspace, 'the package has the version of the workspace');
for (const { types } of Object.values(exports).filter((one) => one.types))
  assert.match(readFileSync(`${folder}/node_modules/haumana-web/${types}`, 'utf8'), /export/);
console.log('ok: the package is complete');
