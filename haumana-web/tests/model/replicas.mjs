// Replicas compiled to WebAssembly, as a page runs them, driven line by line: each line of the input is a
// command, and each line of the output its answer. The clock, the randomness, the rows and the network
// are those of the run, so the same commands get the same answers.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { initSync, PageReplica } from '../../page/haumana_web.js';


let now = 0, random = 1n, schema;
Date.now = () => now;
/** SplitMix64. */
const bits = () => {
  random = BigInt.asUintN(64, random + 0x9e3779b97f4a7c15n);
  let z = random;
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
};
const getRandomValues = (bytes) => bytes.forEach((_, at) => { bytes[at] = Number(bits() & 255n); }) ?? bytes;
Object.defineProperty(globalThis, 'crypto', { value: { getRandomValues } });
initSync({ module: readFileSync(new URL('../../page/haumana_web_bg.wasm', import.meta.url)) });

let devices = new Map();

/** One device: its rows, which outlive the program, and the program. */
class Device {
  rows = new Map();
  /** Hears what the next command comes to before it returns: a call, or the end of the program. */
  hear = () => {};
  /** Answers the call that is under way. */
  answer = undefined;
  syncing = undefined;
  /** What the next write comes to: `before` it and `after` it the program ends. */
  dies = undefined;

  async open(user) {
    this.answer = this.syncing = this.dies = undefined;
    let isAlive = true;
    this.end?.();
    this.end = () => { isAlive = false; };
    const host = {
      load: async () => [...this.rows].flat(),
      write: async (changes) => {
        const end = this.dies;
        this.dies = undefined;
        if (!isAlive || end === 'before') return this.die();
        JSON.parse(changes).forEach((change) => this.apply(change));
        return end === 'after' ? this.die() : undefined;
      },
      call: (method, path, body) => new Promise((resolve, reject) => {
        this.answer = { resolve, reject };
        this.hear({ call: { method, path, body } });
      }),
    };
    this.replica = await PageReplica.open(host, schema);
    await this.replica.signIn(user);
  }

  apply({ put, remove, removeAll }) {
    if (put) this.rows.set(put[0], put[1]);
    else if (remove !== undefined) this.rows.delete(remove);
    else for (const key of [...this.rows.keys()]) if (key.startsWith(removeAll)) this.rows.delete(key);
  }

  die() {
    this.hear({ died: null });
    return new Promise(() => {});
  }

  /** What `work` comes to, or what happens before. */
  until(work) {
    return new Promise((resolve) => {
      this.hear = resolve;
      work.then((done) => resolve({ done: done ?? null }), (why) => resolve({ failed: `${why.name}: ${why.message}` }));
    });
  }
}

const commands = {
  begin: ({ seed, schema: given }) => {
    devices = new Map();
    random = BigInt(seed);
    schema = given;
    return { done: null };
  },
  open: async ({ device, user }) => {
    if (!devices.has(device)) devices.set(device, new Device());
    await devices.get(device).open(user);
    return { done: null };
  },
  dies: ({ device, when }) => {
    devices.get(device).dies = when;
    return { done: null };
  },
  list: ({ device, kind }) => of(device).until(of(device).replica.list(kind)),
  status: ({ device }) => of(device).until(of(device).replica.status()),
  add: ({ device, kind, fields }) => of(device).until(of(device).replica.add(kind, fields)),
  edit: ({ device, kind, id, fields }) => of(device).until(of(device).replica.edit(kind, id, fields)),
  delete: ({ device, kind, id }) => of(device).until(of(device).replica.delete(kind, id)),
  sync: ({ device }) => {
    of(device).syncing = of(device).replica.sync();
    return of(device).until(of(device).syncing);
  },
  /** The reply to the call that is under way; without a body the network failed. */
  reply: ({ device, body }) => {
    const one = of(device), { resolve, reject } = one.answer;
    const comes = one.until(one.syncing);
    if (body === null) reject(Object.assign(new Error('no reply'), { name: 'Offline' }));
    else resolve([200, body]);
    return comes;
  },
};

const of = (device) => devices.get(device);

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  now = command.now ?? now;
  process.stdout.write(`${JSON.stringify(await commands[command.do](command))}\n`);
}
