/** A deployed program is kept, so that going back needs no build. `npx` is a fake. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { HOME } from '../lib/routes';

/** Copies what it gets to deploy into the folder of `--output`, or fails if that is `bad`. */
const NPX = `#!/bin/sh
echo "$@" >> "$CALLS"
while [ $# -gt 0 ]; do
  case $1 in --output) out=$2; shift ;; -c) what=$2; shift ;; esac
  shift
done
[ "$what" != bad ] || exit 1
if [ -n "$out" ]; then mkdir -p "$out" && echo "$what" > "$out/what"; fi
`;

class Folder {
  readonly home = mkdtempSync(path.join(tmpdir(), 'haumana-'));
  readonly calls = path.join(this.home, 'calls');

  constructor() {
    mkdirSync(path.join(this.home, 'cdk'));
    mkdirSync(path.join(this.home, 'bin'));
    copyFileSync(path.join(HOME, '../deploy'), path.join(this.home, 'deploy'));
    writeFileSync(path.join(this.home, 'bin/npx'), NPX);
    chmodSync(path.join(this.home, 'bin/npx'), 0o755);
  }

  run(...words: string[]): void {
    const env = { PATH: `${this.home}/bin:${process.env.PATH}`, CALLS: this.calls };
    execFileSync(path.join(this.home, 'deploy'), words, { env, stdio: 'pipe' });
  }

  /** The content of `last` and `before`. */
  kept(): (string | undefined)[] {
    return ['last', 'before'].map((name) => {
      const file = path.join(this.home, 'cdk/deployed', name, 'what');
      return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
    });
  }
}

test('the last two deployments are kept, and a failed one leaves them', () => {
  const folder = new Folder();

  folder.run('-c', 'one');
  assert.deepEqual(folder.kept(), ['one', undefined]);
  folder.run('-c', 'two');
  folder.run('-c', 'three');
  assert.throws(() => folder.run('-c', 'bad'));

  assert.deepEqual(folder.kept(), ['three', 'two']);
  assert.match(readFileSync(folder.calls, 'utf8'), /^--no-install cdk deploy --strict --output .* -c one$/m);
});

test('going back deploys what was there before, and once more goes forward again', () => {
  const folder = new Folder();
  assert.throws(() => folder.run('--back'), /there is no .*before/);
  folder.run('-c', 'one');
  folder.run('-c', 'two');

  folder.run('--back');
  assert.deepEqual(folder.kept(), ['one', 'two']);
  folder.run('--back');

  assert.deepEqual(folder.kept(), ['two', 'one']);
  assert.match(readFileSync(folder.calls, 'utf8'), /cdk deploy --strict --app .*\/deployed\/before/);
});
