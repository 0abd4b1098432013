// A server with arguments of its own, beside the one that most tests share.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';

export async function startServer(...args) {
  const folder = mkdtempSync(`${tmpdir()}/haumana-server-`);
  const all = ['--listen', '127.0.0.1:0', '--db', `${folder}/haumana.db`, '--log', 'error', ...args];
  const server = spawn(process.env.HAUMANA_SERVER, all, { stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = () => {
    server.removeAllListeners('exit');
    // One that ends by itself would still write into the folder while that is removed.
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  };
  // Also if a test fails.
  process.on('exit', stop);
  const url = await new Promise((found, failed) => {
    let said = '';
    server.stdout.on('data', (data) => {
      said += data;
      const [, url] = said.match(/^listening on (\S+)$/m) ?? [];
      if (url) found(`${url}/`);
    });
    server.on('exit', () => failed(new Error(`the server ended: ${said}`)));
  });
  return { url, stop };
}
