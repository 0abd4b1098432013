// The page in a real Chromium: `node run.mjs URL SCREENSHOTS`. Prints what it measured, and fails if
// something does not hold.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, mkdtempSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { chromium } from 'playwright-core';
import { startGoogle } from './google.mjs';
import { startIssuer } from './issuer.mjs';
import { startServer } from './server.mjs';

const [url, pictures] = process.argv.slice(2);
mkdirSync(pictures, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const KILLS = Number(process.env.HAUMANA_KILLS ?? 200);
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const elsewhere = [];

/** A browser of its own: what one device has, others have not. */
async function device(origin = url, beyond = elsewhere, options = {}, preferences) {
  const folder = mkdtempSync(`${tmpdir()}/haumana-page-`);
  if (preferences) {
    mkdirSync(`${folder}/Default`);
    writeFileSync(`${folder}/Default/Preferences`, JSON.stringify(preferences));
  }
  const context = await chromium.launchPersistentContext(folder, { executablePath: '/usr/bin/chromium', args, locale: 'en-US', ...options });
  context.setDefaultTimeout(20_000);
  context.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('blob:')) beyond.push(request.url());
  });
  return context;
}

async function tab(context, name, origin = url) {
  const page = await context.newPage();
  page.on('pageerror', (why) => console.log('page:', why.message));
  page.on('console', (said) => said.type() === 'error' && console.log('page:', said.text()));
  await page.goto(origin);
  if (name) {
    await page.fill('#name', name);
    await page.click('#sign-in');
  }
  await page.waitForSelector('.add, [role=alert]');
  const alert = page.locator('[role=alert]');
  if (await alert.count()) throw new Error(await alert.textContent());
  return page;
}

/** A page of the origin where nobody has signed in: it sends nothing of its own while a test stands in for
 * `fetch`. */
async function quiet(context) {
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForSelector('#name');
  return page;
}

async function add(page, title, lyrics) {
  await page.click('.to-records');
  await page.click('.add');
  await page.fill('[name=title]', title);
  if (lyrics !== undefined) await page.fill('[name=lyrics]', lyrics);
  await page.click('.save');
  await page.waitForSelector('.search');
}

async function edit(page, title, field, value) {
  await page.click('.to-records');
  await page.click(`.list button:has-text("${title}")`);
  await page.fill(`[name=${field}]`, value);
  await page.click('.save');
  await page.waitForSelector('.search');
}

/** Waits until nothing waits and the device was proven equal after now. */
async function settled(page) {
  await page.waitForFunction(() => /Idle · 0 /.test(document.querySelector('.status')?.textContent ?? ''));
}

/** Waits until something holds that only an answer of the page says. */
async function until(holds) {
  for (const from = Date.now(); !(await holds()); ) {
    assert.ok(Date.now() - from < 20_000, 'it holds within 20 s');
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function sees(page, text) {
  await page.click('.to-records');
  await page.waitForSelector(`.list button:has-text("${text}")`);
}

async function flight(page, is) {
  await page.setChecked('.aeroplane', is);
}

async function accessible(page, where) {
  // The policy of the page keeps injected scripts out; the test's own goes in by the debugger.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], `axe: ${where}`);
}

/** Makes 10,000 records of the only one, as if they had come from the server, with titles of their own. */
async function manyOf(page, title) {
  const row = await page.evaluate((title) => new Promise((done, fail) => {
    const opening = indexedDB.open('haumana');
    opening.onsuccess = () => {
      const rows = opening.result.transaction('rows', 'readwrite').objectStore('rows');
      rows.openCursor(IDBKeyRange.bound('record/', 'record/\uffff')).onsuccess = ({ target: { result: { key, value } } }) => {
        const folder = key.slice(0, key.lastIndexOf('/') + 1);
        rows.delete(key);
        for (let n = 0; n < 10_000; n++) rows.put(value.replace(title, `${title} ${n}`), folder + crypto.randomUUID());
        rows.transaction.oncomplete = () => { opening.result.close(); done(value); };
        rows.transaction.onabort = () => fail(rows.transaction.error);
      };
    };
  }), title);
  assert.ok(row.includes(title) && !row.includes('"set"'), row);
}

/** A device whose disk has room for so many bytes, and what changes that. The page's own files are not kept: they need more. */
async function small(bytes) {
  const one = await device(url, elsewhere, { serviceWorkers: 'block' });
  const page = await one.newPage();
  page.on('pageerror', (why) => console.log('page:', why.message));
  const session = await one.newCDPSession(page);
  const room = (quotaSize) => session.send('Storage.overrideQuotaForOrigin', { origin: new URL(url).origin, quotaSize });
  await room(bytes);
  await page.goto(url);
  return { one, page, room };
}

const signIn = async (page, name) => {
  await page.fill('#name', name);
  await page.click('#sign-in');
};

const titlesOf = (page) => page.evaluate(async () => (await window.haumana.device.list('piece')).map((one) => one.fields.title));

/** Adds pieces until one is refused, which no compression makes small; returns those that were acknowledged, and why one was not. */
const fill = (page) => page.evaluate(async () => {
  const acknowledged = [];
  const lyrics = () => Array.from(crypto.getRandomValues(new Uint8Array(8_000)), (byte) => String.fromCharCode(33 + byte % 90)).join('');
  for (let n = 0; n < 100; n++) {
    const title = `Kept ${n}`;
    try { await window.haumana.device.add('piece', { title, lyrics: lyrics() }); } catch (why) { return { acknowledged, why: why.message }; }
    acknowledged.push(title);
  }
  return { acknowledged };
});

const stories = {
  async 'two devices edit one song, and a clash is decided in the inbox'() {
    const [phone, laptop] = [await device(), await device()];
    const [a, b] = [await tab(phone, 'kai'), await tab(laptop, 'kai')];
    await accessible(a, 'records');
    await add(a, 'Aloha ʻOe', 'Haʻaheo ka ua i nā pali\nKe nihi aʻela i ka nahele');
    await settled(a);
    await sees(b, 'Aloha ʻOe');
    await flight(a, true); await flight(b, true);
    await edit(a, 'Aloha', 'lyrics', 'Haʻaheo mai ka ua i nā pali\nKe nihi aʻela i ka nahele');
    await edit(b, 'Aloha', 'lyrics', 'Haʻaheo ē ka ua i nā pali\nKe nihi aʻela i ka nahele');
    await edit(b, 'Aloha', 'author', 'Queen Liliʻuokalani');
    await a.screenshot({ path: `${pictures}/waiting.png` });
    await flight(a, false); await settled(a);
    await flight(b, false); await settled(b);
    await b.waitForFunction(() => document.title.startsWith('(1)'));
    await b.click('.to-inbox');
    await b.waitForSelector('.conflict mark');
    await accessible(b, 'inbox');
    await b.screenshot({ path: `${pictures}/inbox.png` });
    await b.click('.conflict .restore');
    await b.waitForFunction(() => !document.querySelector('.conflict'));
    await b.waitForFunction(() => document.title === 'Haumana');
    await b.click('.to-records');
    await b.click('ul.list button:has-text("Aloha")');
    assert.match(await b.inputValue('[name=lyrics]'), /mai/);
    assert.equal(await b.inputValue('[name=author]'), 'Queen Liliʻuokalani');
    await accessible(b, 'form');
    await b.click('.show-history');
    await b.waitForSelector('.version');
    await accessible(b, 'history');
    await b.screenshot({ path: `${pictures}/history.png` });
    await b.click('.to-account');
    await b.waitForSelector('.word');
    await accessible(b, 'account');
    await phone.close(); await laptop.close();
  },

  async 'what lost is left, or edited into one with what is shown'() {
    const [phone, laptop] = [await device(), await device()];
    const [a, b] = [await tab(phone, 'decides'), await tab(laptop, 'decides')];
    await add(a, 'Hiʻilawe', 'one');
    await add(a, 'Kawika', 'one');
    await settled(a);
    await sees(b, 'Kawika');
    for (const [page, word] of [[a, 'phone'], [b, 'laptop']]) {
      await flight(page, true);
      for (const title of ['Hiʻilawe', 'Kawika']) await edit(page, title, 'lyrics', `one from the ${word}`);
    }
    for (const page of [a, b]) { await flight(page, false); await settled(page); }
    await b.waitForFunction(() => document.title.startsWith('(2)'));
    await b.click('.to-inbox');
    const of = (title) => b.locator(`.conflict:has-text("${title}")`);
    assert.match(await of('Kawika').locator('.note').textContent(), /Both changed the same words/);
    await of('Kawika').locator('.keep').click();
    await b.waitForFunction(() => document.querySelectorAll('.conflict').length === 1);
    await of('Hiʻilawe').locator('textarea').fill('one from both');
    await of('Hiʻilawe').locator('.into-one').click();
    await b.waitForFunction(() => !document.querySelector('.conflict') && document.title === 'Haumana');
    await settled(b);
    const lyrics = async (page) => Object.fromEntries(await page.evaluate(async () =>
      (await window.haumana.device.list('piece')).map(({ fields }) => [fields.title, fields.lyrics])));
    const kept = await lyrics(b);
    assert.equal(kept['Hiʻilawe'], 'one from both');
    assert.match(kept.Kawika, /^one from the (phone|laptop)$/);
    await until(async () => JSON.stringify(Object.entries(await lyrics(a)).sort()) === JSON.stringify(Object.entries(kept).sort()));
    await phone.close(); await laptop.close();
  },

  async 'what cannot be done is said in words, and nothing is changed by it'() {
    const one = await device();
    const page = await tab(one, 'careless');
    await add(page, 'Kawika', 'Eia nō Kāwika');
    await settled(page);
    const says = async (words) => { await page.waitForSelector(`[role=alert]:has-text("${words}")`); };
    await page.click('.to-account');
    await page.click('.import');
    await says('Choose a file first');
    await accessible(page, 'an import without a file');
    await page.setInputFiles('[type=file]', { name: 'cat.json', mimeType: 'application/json', buffer: Buffer.from('no export') });
    await page.click('.import');
    await says('import failed');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('.export')]);
    await page.setInputFiles('[type=file]', await download.path());
    await page.click('.import');
    await says('Only an empty account takes an import');
    await flight(page, true);
    for (const [button, view] of [['.export', '.to-account'], ['.devices', '.to-account'], ['.deleted', '.to-records'], ['.to-inbox', '.to-records']]) {
      await page.click(view);
      await page.waitForFunction(() => !document.querySelector('[role=alert]'));
      await page.click(button);
      await says('The server cannot be reached');
    }
    await page.click('.to-records');
    // More than a title holds, and text where a date was: the form keeps it.
    await page.click('ul.list button');
    await page.fill('[name=title]', 'long '.repeat(5_000));
    await page.click('.save');
    await says('title');
    assert.match(await page.inputValue('[name=title]'), /^long long/);
    await page.click('.to-records');
    assert.deepEqual(await titlesOf(page), ['Kawika']);
    await one.close();
  },

  async 'a newcomer sees two devices edit one song, merge, and clash, within half a minute'() {
    const one = await device();
    const page = await one.newPage();
    page.on('pageerror', (why) => console.log('page:', why.message));
    const from = performance.now();
    await page.goto(url);
    await page.click('#two-devices');
    const [phone, laptop] = [page.locator('.two > section').nth(0), page.locator('.two > section').nth(1)];
    const song = ['Haʻaheo ka ua i nā pali', 'Ke nihi aʻela i ka nahele', 'E uhai ana paha i ka liko', 'Pua ʻāhihi lehua o uka'];
    const lyrics = (pane) => pane.locator('[name=lyrics]');
    const write = async (pane, text) => { await lyrics(pane).fill(text); await pane.locator('.save').click(); };
    const apart = async () => { for (const pane of [phone, laptop]) await pane.locator('.aeroplane').check(); };
    const together = async () => {
      for (const pane of [phone, laptop]) {
        await pane.locator('.aeroplane').uncheck();
        await pane.locator('.status:has-text("Idle · 0 ")').waitFor();
      }
    };
    const bothHave = (text) => page.waitForFunction((due) => {
      const all = [...document.querySelectorAll('.two [name=lyrics]')];
      return all.length === 2 && all.every((one) => one.value === due);
    }, text);
    await bothHave(song.join('\n'));

    // Different lines, without seeing each other.
    await apart();
    await write(phone, song.with(0, 'Haʻaheo mai ka ua i nā pali').join('\n'));
    await write(laptop, song.with(3, 'Pua ʻāhihi lehua aʻo uka').join('\n'));
    await phone.locator('.status:has-text(" 1 ")').waitFor();
    await together();
    const merged = song.with(0, 'Haʻaheo mai ka ua i nā pali').with(3, 'Pua ʻāhihi lehua aʻo uka');
    await bothHave(merged.join('\n'));

    // The same word.
    await apart();
    await write(phone, merged.with(1, 'Ke nihi nei i ka nahele').join('\n'));
    await write(laptop, merged.with(1, 'Ke nihi mai i ka nahele').join('\n'));
    await together();
    await bothHave(merged.with(1, 'Ke nihi mai i ka nahele').join('\n'));
    await page.waitForFunction(() => document.title.startsWith('(1)'));
    await phone.locator('.to-inbox:has-text("(1)")').waitFor();
    await laptop.locator('.to-inbox').click();
    await laptop.locator('.conflict mark').first().waitFor();
    const took = performance.now() - from;
    console.log(`  two devices, from the first look to the inbox, in ${(took / 1000).toFixed(1)} s`);
    assert.ok(took < 30_000);
    await accessible(page, 'two devices');
    await page.screenshot({ path: `${pictures}/two-devices.png`, fullPage: true });
    await one.close();
  },

  async 'a form that is open takes what comes, and does not undo it when it is saved'() {
    const [phone, laptop] = [await device(), await device()];
    const [a, b] = [await tab(phone, 'forms'), await tab(laptop, 'forms')];
    const held = () => b.evaluate(async () => (await window.haumana.device.list('piece'))[0].fields.lyrics);
    await add(a, 'Hiʻilawe', 'one\ntwo\nthree');
    await sees(b, 'Hiʻilawe');
    await b.click('ul.list button:has-text("Hiʻilawe")');
    await b.fill('[name=lyrics]', 'one\ntwo\nTHREE');
    await edit(a, 'Hiʻilawe', 'lyrics', 'ONE\ntwo\nthree');
    await edit(a, 'Hiʻilawe', 'title', 'Hiʻilawe by the falls');
    // The title was not touched, so it is there at once. The lyrics are left alone, and merged.
    await b.waitForFunction(() => document.querySelector('[name=title]').value === 'Hiʻilawe by the falls');
    await until(async () => /^ONE/.test(await held()));
    assert.equal(await b.inputValue('[name=lyrics]'), 'one\ntwo\nTHREE');
    await b.click('.save');
    await b.waitForSelector('.search');
    assert.equal(await held(), 'ONE\ntwo\nTHREE');

    // Where both changed the same word, both are shown, and saving again decides.
    await settled(b);
    await b.click('ul.list button:has-text("Hiʻilawe")');
    await b.fill('[name=lyrics]', 'ONE\nmine\nTHREE');
    await edit(a, 'Hiʻilawe', 'lyrics', 'ONE\ntheirs\nTHREE');
    await until(async () => /theirs/.test(await held()));
    await b.click('.save');
    assert.match(await b.textContent('.clash pre'), /theirs/);
    assert.match(await held(), /theirs/);
    await accessible(b, 'a clash in a form');
    await b.click('.save');
    await b.waitForSelector('.search');
    assert.equal(await held(), 'ONE\nmine\nTHREE');
    await phone.close(); await laptop.close();
  },

  async 'a practice is started, stopped, mended and deleted, and another device has it'() {
    const [phone, laptop] = [await device(), await device()];
    const [a, b] = [await tab(phone, 'practice'), await tab(laptop, 'practice')];
    const session = () => a.evaluate(async () => (await window.haumana.device.list('session')).map((one) => one.fields));
    await add(a, 'Kaulana Nā Pua', 'Kaulana nā pua aʻo Hawaiʻi');
    await a.click('ul.list button');
    await a.click('.start');
    await a.waitForSelector('.session:has-text("running")');
    assert.equal(await a.locator('.start').count(), 0, 'one practice of a piece runs at a time');
    await a.click('.stop');
    await a.waitForSelector('.start');
    const [{ startedAt, endedAt, endedAtSource }] = await session();
    assert.ok(startedAt <= endedAt, `${startedAt} ${endedAt}`);
    assert.equal(endedAtSource, 'manual');

    // It began 25 minutes before it ended. An end before the start is refused, and a day is asked back.
    const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
    const end = Date.parse(endedAt);
    await a.click('.mend');
    await a.fill('[name=started]', local(end + 60_000));
    await a.click('.save-session');
    assert.match(await a.textContent('.session .clash'), /ends after it starts/);
    await a.fill('[name=started]', local(end - 24 * 3_600_000));
    await a.click('.save-session');
    assert.match(await a.textContent('.session .clash'), /12 hours/);
    await accessible(a, 'mending a practice');
    await a.fill('[name=started]', local(end - 25 * 60_000));
    await a.click('.save-session');
    await a.waitForSelector('.session:has-text("25 min")');
    assert.deepEqual((await session()).map((one) => one.endedAt), [endedAt], 'what was not mended stays');
    await a.screenshot({ path: `${pictures}/practice.png`, fullPage: true });
    await settled(a);

    await b.click('.to-practice');
    await b.waitForSelector('.session:has-text("Kaulana Nā Pua"):has-text("25 min")');
    await accessible(b, 'practice');
    await b.click('.remove-session');
    await b.waitForSelector('.practice .note');
    await a.waitForFunction(() => !document.querySelector('.session'));
    await phone.close(); await laptop.close();
  },

  async 'a page that is looked at hears of other devices, and asks for nothing meanwhile'() {
    const [phone, laptop] = [await device(), await device()];
    const [a, b] = [await tab(phone, 'live'), await tab(laptop, 'live')];
    await add(a, 'Makalapua');
    await sees(b, 'Makalapua');
    await settled(a); await settled(b);
    await new Promise((done) => setTimeout(done, 1_000));
    const asked = [];
    laptop.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await new Promise((done) => setTimeout(done, 5_000));
    assert.deepEqual(asked, [], 'a quiet page waits in one call');
    const from = performance.now();
    await add(a, 'Hanohano Hawaiʻi');
    await sees(b, 'Hanohano');
    const took = performance.now() - from;
    console.log(`  an edit is seen by the other device after ${took.toFixed(0)} ms, typing included`);
    assert.ok(took < 3_000);
    assert.equal((await b.evaluate(() => window.haumana.device.status())).following, 'Live');

    // Who looks again and again leaves no calls behind, of which a browser makes six at once.
    await b.evaluate(async () => {
      for (let n = 0; n < 20; n++) {
        window.haumana.device.again();
        await new Promise((done) => setTimeout(done, 100));
      }
    });
    const again = performance.now();
    await add(b, 'Sent at once');
    await sees(a, 'Sent at once');
    assert.ok(performance.now() - again < 3_000);

    // A tab that nobody sees waits for nothing, and sends what was edited.
    const seen = (how) => b.evaluate((state) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
      document.dispatchEvent(new Event('visibilitychange'));
    }, how);
    await seen('hidden');
    await until(async () => (await b.evaluate(() => window.haumana.device.status())).following === 'Not');
    await seen('hidden');
    asked.length = 0;
    await add(a, 'While nobody looked');
    await settled(a);
    await new Promise((done) => setTimeout(done, 1_000));
    assert.ok(!asked.includes('/live'), asked.join(' '));
    await seen('visible');
    await sees(b, 'While nobody looked');

    // A server without a live feed. The device syncs what is edited here, and asks now and then.
    await laptop.route('**/live**', (route) => route.fulfill({ status: 404, contentType: 'application/json', body: '{"error":"no such call","code":"not_found"}' }));
    await b.reload();
    await sees(b, 'Hanohano');
    await until(async () => (await b.evaluate(() => window.haumana.device.status())).following === 'Polling');
    await add(b, 'Sent without a feed');
    await sees(a, 'Sent without a feed');
    await phone.close(); await laptop.close();
  },

  async 'a server that asks to wait is waited for, and a token that it refuses is another one'() {
    const one = await device();
    const page = await tab(one, 'waits');
    await settled(page);
    const synced = [];
    let tokens = 0;
    one.on('request', (request) => { if (request.url().endsWith('/dev/tokens')) tokens++; });
    const refusals = [[503, 'unavailable', { 'retry-after': '2' }], [401, 'unauthorized', {}]];
    await one.route('**/sync', (route) => {
      synced.push(performance.now());
      if (!refusals.length) return route.continue();
      const [status, code, headers] = refusals.shift();
      return route.fulfill({ status, headers, contentType: 'application/json', body: JSON.stringify({ error: 'no', code }) });
    });
    await add(page, 'Hawaiʻi Aloha');
    await until(() => synced.length >= 3);
    await settled(page);
    assert.ok(1_990 < synced[1] - synced[0], `${synced[1] - synced[0]} ms`);
    assert.equal(tokens, 1);
    await one.close();
  },

  async 'what a server can make a page read, and wait for, is bounded'() {
    const one = await device();
    const page = await quiet(one);
    const outcomes = await page.evaluate(async () => {
      const { openHost } = await import('./host.js');
      const real = window.fetch;
      const limits = { patienceMs: 300, silenceMs: 200, failureBytes: 50 };
      const host = await openHost({ name: 'bounded', token: async () => 'a token', limits });
      const bytes = (n) => new Uint8Array(n).fill(97);
      const never = new Promise(() => {});
      const answers = {
        fits: () => new Response(bytes(100)),
        long: () => new Response(bytes(101)),
        failure: () => new Response(bytes(51), { status: 500 }),
        silent: (signal) => new Response(new ReadableStream({
          start(body) { body.enqueue(bytes(1)); signal.addEventListener('abort', () => body.error(signal.reason)); },
        })),
        trickling: () => new Response(new ReadableStream({
          async pull(body) { await new Promise((done) => setTimeout(done, 50)); body.enqueue(bytes(1)); },
        })),
        mute: (signal) => Promise.race([never, new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))]),
        cut: (signal) => { setTimeout(() => host.cut('/'), 20); return answers.mute(signal); },
        dated: () => new Response('', { status: 503, headers: { 'retry-after': 'Mon, 23 Nov 2026 12:00:30 GMT', date: 'Mon, 23 Nov 2026 12:00:00 GMT' } }),
        past: () => new Response('', { status: 503, headers: { 'retry-after': 'Mon, 23 Nov 2026 11:00:00 GMT', date: 'Mon, 23 Nov 2026 12:00:00 GMT' } }),
        soon: () => new Response('', { status: 503, headers: { 'retry-after': 'soon' } }),
      };
      const outcomes = {};
      for (const [name, answer] of Object.entries(answers)) {
        window.fetch = (_, { signal }) => Promise.resolve(answer(signal));
        outcomes[name] = await host.call('GET', '/', undefined, 100)
          .then(([status, text, wait]) => [status, text.length, wait ?? null], (why) => why.name);
      }
      window.fetch = real;
      return outcomes;
    });
    assert.deepEqual(outcomes, {
      fits: [200, 100, null], long: 'TooLong', failure: [500, 0, null], silent: 'TimeoutError', trickling: 'TimeoutError',
      mute: 'TimeoutError', cut: 'AbortError', dated: [503, 0, 30], past: [503, 0, 0], soon: [503, 0, null],
    });
    await one.close();
  },

  async 'an export that does not fit into one reply comes in pages, and is one file'() {
    const one = await device();
    const page = await tab(one, 'pages');
    for (const title of ['Pua Lililehua', 'Ke Kali Nei Au', 'Nani Koʻolau']) await add(page, title, 'lyrics');
    await settled(page);
    await edit(page, 'Nani Koʻolau', 'lyrics', 'other lyrics');
    await settled(page);
    // The server's own export, as a server with a smaller limit would send it.
    let whole;
    const asked = [];
    await one.route('**/users/me/export*', async (route) => {
      const place = new URL(route.request().url()).searchParams.get('page');
      asked.push(place);
      if (!place) return route.fulfill({ status: 413, contentType: 'application/json', body: '{"error":"too large","code":"payload_too_large"}' });
      whole ??= await (await route.fetch({ url: `${url}users/me/export` })).json();
      const empty = { ...whole, pieces: [], practiceSessions: [], history: [], conflicts: [], tombstones: [] };
      const parts = {
        first: { ...empty, pieces: whole.pieces.slice(0, 2), next: 'second' },
        second: { ...empty, pieces: whole.pieces.slice(2), next: 'third' },
        third: { ...empty, history: whole.history },
      };
      return route.fulfill({ contentType: 'application/json', body: JSON.stringify(parts[place]) });
    });
    await page.click('.to-account');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('.export')]);
    const file = JSON.parse(readFileSync(await download.path(), 'utf8'));
    assert.deepEqual(asked, [null, 'first', 'second', 'third']);
    assert.equal(file.pieces.length, 3);
    assert.ok(file.history.length);
    assert.deepEqual(file, whole);

    // What ends in the middle is no export, and no file is made of it.
    await one.route('**/users/me/export*', (route) => route.fulfill({ contentType: 'application/json', body: JSON.stringify(whole).slice(0, -1) }));
    await page.click('.export');
    await page.waitForSelector('[role=alert]');
    await one.close();
  },

  async 'an account is exported, erased after its word was typed, and imported again'() {
    const one = await device();
    const page = await tab(one, 'erased');
    await add(page, 'Kawika', 'Eia nō Kāwika');
    await settled(page);
    await page.click('.to-account');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('.export')]);
    const file = await download.path();
    const erasures = [];
    one.on('request', (request) => { if (request.method() === 'DELETE') erasures.push(word); });
    let word = 'erase';
    await page.fill('.word', word);
    await page.click('.erase');
    // A call would be under way by then.
    await page.evaluate(() => window.haumana.device.sync());
    word = 'ERASE';
    await page.fill('.word', word);
    await page.click('.erase');
    await page.waitForSelector('#name');
    assert.deepEqual(erasures, ['ERASE']);
    await page.fill('#name', 'erased');
    await page.click('#sign-in');
    await page.waitForSelector('ul.list .note');
    await settled(page);
    await page.click('.to-account');
    await page.setInputFiles('[type=file]', file);
    await page.click('.import');
    await sees(page, 'Kawika');
    await page.click('ul.list button');
    assert.equal(await page.inputValue('[name=lyrics]'), 'Eia nō Kāwika');
    await one.close();
  },

  async 'an account that was erased elsewhere is forgotten here, or uploaded as new'() {
    for (const choice of ['upload', 'forget']) {
      const one = await device(), name = `gone ${choice}`;
      const page = await tab(one, name);
      await add(page, 'Kawika', 'Eia nō Kāwika');
      await settled(page);
      const headers = { 'content-type': 'application/json' };
      const token = await (await fetch(`${url}dev/tokens`, { method: 'POST', headers, body: JSON.stringify({ sub: name }) })).json();
      const erased = await fetch(`${url}users/me`, { method: 'DELETE', headers: { authorization: `Bearer ${token.idToken}` } });
      assert.ok(erased.ok);
      await page.evaluate(() => window.haumana.device.sync());
      await page.waitForSelector('.forget');
      await page.click(`.${choice}`);
      await page.waitForSelector('.forget', { state: 'detached' });
      await settled(page);
      await page.reload();
      if (choice === 'upload') await sees(page, 'Kawika');
      else await page.waitForSelector('ul.list .note');
      await one.close();
    }
  },

  async 'what one account has to send is never sent with the token of another one'() {
    const one = await device();
    const page = await quiet(one);
    const sent = await page.evaluate(async () => {
      const { openHost } = await import('./host.js');
      const part = (value) => btoa(JSON.stringify(value));
      const of = (sub) => `${part({})}.${part({ sub })}.x`;
      const sent = [], real = window.fetch;
      window.fetch = async (_, { headers }) => { sent.push(headers.authorization); return new Response('{}', { status: 401 }); };
      const host = await openHost({ name: 'tokens', token: async (isRefused) => of(isRefused ? 'noe' : 'kai') });
      const failed = await host.call('POST', '/sync', '{}', 1000, 'kai').catch((why) => why.name);
      const other = await host.call('POST', '/sync', '{}', 1000, 'apple:kai').then((answer) => answer[0], (why) => why.name);
      window.fetch = real;
      host.close();
      return { sent: sent.map((token) => JSON.parse(atob(token.split('.')[1])).sub), failed, other };
    });
    assert.deepEqual(sent, { sent: ['kai', 'kai'], failed: 'NoToken', other: 'NoToken' });
    await one.close();
  },

  async 'with a client id people sign in with Google, and only Google is called besides'() {
    const google = await startGoogle();
    const beyond = [], refused = [], synced = [];
    const open = async () => {
      const context = await device(google.url, beyond);
      await google.standIn(context);
      context.on('response', (answer) => {
        const path = new URL(answer.url()).pathname;
        if (answer.status() === 401) refused.push(path);
        if (path === '/auth/sync') synced.push(answer.status());
      });
      const page = await context.newPage();
      page.on('pageerror', (why) => console.log('page:', why.message));
      await page.goto(google.url);
      return [context, page];
    };
    const [phone, a] = await open();
    await a.waitForSelector('.sign-in button');
    assert.equal(await a.locator('#name, #two-devices').count(), 0, 'nobody signs in with a name');
    await accessible(a, 'signing in with Google');
    await a.screenshot({ path: `${pictures}/google.png` });

    // Somebody whose token Google has not signed has no records here.
    google.next = { sub: 'kai', isForged: true };
    await a.click('.sign-in button');
    await a.waitForSelector('#again');
    assert.ok(refused.includes('/sync') || refused.includes('/live'), refused.join(' '));
    await add(a, 'Waits', 'until somebody has signed in');
    google.next = { sub: 'kai', livesSecs: 63 };
    await a.click('#again .sign-in button');
    await settled(a);
    assert.equal(await a.locator('#again').count(), 0);
    assert.match(await a.textContent('.status'), /kai@example.org/);
    assert.deepEqual(synced, [401, 200], 'the server hears who has an account, as from the app');

    // The token is for this tab, and is not used when it is about to end.
    const kept = await a.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie);
    assert.ok(!kept.includes(google.latest.split('.')[1]), kept);
    await new Promise((done) => setTimeout(done, 3_500));
    await a.evaluate(() => window.haumana.device.sync());
    await a.waitForSelector('#again');
    await accessible(a, 'signing in again');
    await add(a, 'Still edited', 'ʻae');
    await a.waitForSelector('.status:has-text(" 1 ")');

    // After a reload what is here is shown, and goes to the server once its person is there.
    await a.reload();
    await a.waitForSelector('ul.list button:has-text("Still edited")');
    google.next = { sub: 'kai' };
    await a.click('#again .sign-in button');
    await settled(a);

    // Another device of the same person has it; another person on it does not.
    const [laptop, b] = await open();
    await b.click('.sign-in button');
    await sees(b, 'Still edited');
    google.next = { sub: 'lani' };
    await b.evaluate(() => window.google.accounts.id.pressed());
    await b.waitForSelector('.status:has-text("lani@example.org")');
    await b.waitForSelector('ul.list .note');
    await b.click('.to-account');
    await b.click('button:has-text("Sign out")');
    await b.waitForSelector('.sign-in button');
    assert.equal(await b.evaluate(() => localStorage.length), 0);

    assert.ok(beyond.length, 'Google is called');
    assert.deepEqual(beyond.filter((one) => !one.startsWith('https://accounts.google.com/gsi/')), []);
    await phone.close(); await laptop.close();
    google.stop();
  },

  async 'another issuer signs people in by a redirect, and only it is called besides'() {
    const issuer = await startIssuer();
    const beyond = [];
    const open = async () => {
      const context = await device(issuer.url, beyond);
      const page = await context.newPage();
      page.on('pageerror', (why) => console.log('page:', why.message));
      await page.goto(issuer.url);
      return [context, page];
    };
    const [phone, a] = await open();
    await a.waitForSelector('.issuer');
    assert.equal(await a.locator('#name, #two-devices').count(), 0, 'nobody signs in with a name');
    await accessible(a, 'signing in at an issuer');

    // Who does not want to, an answer that nobody here asked for, and a token that somebody else asked for.
    issuer.next = { error: 'access_denied' };
    await a.click('.issuer');
    await a.waitForSelector('[role=alert]:has-text("access_denied")');
    issuer.next = { sub: 'kai', isForeign: true };
    await a.click('.issuer');
    await a.waitForFunction(() => location.search === '' && document.querySelector('.issuer') && !document.querySelector('[role=alert]'));
    issuer.next = { sub: 'kai', nonce: 'another' };
    await a.click('.issuer');
    await a.waitForSelector('[role=alert]:has-text("did not succeed")');
    assert.deepEqual([await a.locator('.add').count(), issuer.refused], [0, []]);

    issuer.next = { sub: 'kai', livesSecs: 63 };
    await a.click('.issuer');
    await a.waitForSelector('.add');
    assert.equal(await a.evaluate(() => location.href), issuer.url, 'the code is gone');
    await add(a, 'Pua Tubarose', 'Kuʻu pua tubarose');
    await settled(a);
    assert.match(await a.textContent('.status'), /kai@example.org/);
    const kept = await a.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie);
    assert.ok(!kept.includes(issuer.latest.split('.')[1]), kept);

    // The token ends. What is edited meanwhile waits, and is sent after the next redirect.
    await new Promise((done) => setTimeout(done, 3_500));
    await a.evaluate(() => window.haumana.device.sync());
    await a.waitForSelector('#again .issuer');
    await add(a, 'Written meanwhile', 'ʻae');
    issuer.next = { sub: 'kai', isForged: true };
    await a.click('#again .issuer');
    await a.waitForSelector('#again .issuer');
    await sees(a, 'Written meanwhile');
    issuer.next = { sub: 'kai' };
    await a.click('#again .issuer');
    await a.waitForFunction(() => !document.querySelector('#again'));
    await settled(a);

    // The server knows the person by the issuer's name and theirs; another device has the same records.
    const mine = await a.evaluate(async () => JSON.parse(await window.haumana.device.export()).pieces[0].userId);
    assert.equal(mine, 'school:kai');
    const [laptop, b] = await open();
    await b.click('.issuer');
    await sees(b, 'Written meanwhile');
    await b.click('.to-account');
    await b.click('button:has-text("Sign out")');
    await b.waitForSelector('.issuer');
    assert.deepEqual(await b.evaluate(() => [localStorage.length, sessionStorage.length]), [0, 0]);
    issuer.next = { sub: 'lani' };
    await b.click('.issuer');
    await b.waitForSelector('ul.list .note');

    assert.ok(beyond.length, 'the issuer is called');
    assert.deepEqual(beyond.filter((one) => !one.startsWith(`${issuer.origin}/`)), []);
    await phone.close(); await laptop.close();
    issuer.stop();
  },

  async 'a server whose issuer the page was not told of lets nobody write what it never takes'() {
    const issuer = await startIssuer(false);
    const one = await device(issuer.url);
    const page = await one.newPage();
    await page.goto(issuer.url);
    await page.waitForSelector('main:has-text("Nobody can sign in on this page")');
    assert.equal(await page.locator('#name').count(), 0);
    await accessible(page, 'a page without a sign-in');
    await one.close();
    issuer.stop();
  },

  async 'an account says which devices changed something, and when'() {
    const [phone, laptop] = [await device(), await device()];
    const [a, b] = [await tab(phone, 'seen'), await tab(laptop, 'seen')];
    await add(a, 'Ka Pilina');
    await add(a, 'Ka Uluwehi o ke Kai');
    await settled(a);
    await sees(b, 'Ka Pilina');
    await edit(b, 'Ka Pilina', 'author', 'Frank Kawaikapuokalani Hewett');
    await edit(b, 'Ka Uluwehi', 'lyrics', 'He hoʻoheno kē ʻike aku');
    await settled(b);
    await b.click('ul.list button:has-text("Ka Uluwehi")');
    await b.click('.remove');
    await settled(b);
    const names = await Promise.all([a, b].map((page) => page.evaluate(async () => (await window.haumana.device.status()).device.slice(0, 8))));
    await a.click('.to-account');
    await a.click('.devices');
    await a.waitForSelector('.seen tbody tr');
    const cells = await a.locator('.seen tbody tr').evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    assert.deepEqual(cells.map(([name, , count]) => [name, count]), [[names[1], '3'], [`${names[0]} (this one)`, '2']]);
    for (const [, at] of cells) assert.ok(Math.abs(Date.parse(at) - Date.now()) < 120_000, at);
    await accessible(a, 'devices');
    await a.screenshot({ path: `${pictures}/account.png` });
    await phone.close(); await laptop.close();
  },

  async 'an app with kinds of its own has lists, forms, the inbox and the history without code'() {
    const schema = new URL('../../../examples/recipes/recipes.toml', import.meta.url).pathname;
    const server = await startServer('--schema', schema);
    const [phone, laptop] = [await device(server.url), await device(server.url)];
    const [a, b] = [await tab(phone, 'cook', server.url), await tab(laptop, 'cook', server.url)];
    const cook = async (page, set) => {
      await page.click('tbody button:has-text("Poke")');
      for (const [field, value] of Object.entries(set)) await page.fill(`[name=${field}]`, value);
      await page.click('.save');
      await page.waitForSelector('.search');
    };
    await a.click('.add');
    await a.fill('[name=title]', 'Poke');
    await a.fill('[name=steps]', 'Cut the fish\nMix');
    await a.click('.save');
    await settled(a);
    await sees(b, 'Poke');
    assert.equal(await a.locator('.to-practice').count(), 0);
    await flight(a, true); await flight(b, true);
    await cook(a, { steps: 'Cut the fresh fish\nMix' });
    await cook(b, { steps: 'Cut the raw fish\nMix', cooked: '2' });
    await flight(a, false); await settled(a);
    await flight(b, false); await settled(b);
    await b.waitForFunction(() => document.title.startsWith('(1)'));
    await b.click('.to-inbox');
    await b.waitForSelector('.conflict:has-text("Poke: steps") mark');
    await b.click('.conflict .restore');
    await b.waitForFunction(() => !document.querySelector('.conflict'));
    await b.click('.to-records');
    await b.click('tbody button:has-text("Poke")');
    assert.match(await b.inputValue('[name=steps]'), /fresh/);
    assert.equal(await b.inputValue('[name=cooked]'), '2');
    await b.click('.show-history');
    await b.waitForSelector('.card h4:has-text("steps")');
    await accessible(b, 'the history of a recipe');
    await phone.close(); await laptop.close();
    server.stop();
  },

  async 'fields may be called as every object of JavaScript has something called'() {
    const schema = `${mkdtempSync(`${tmpdir()}/haumana-schema-`)}/schema.toml`;
    const field = (number, name) => `[[kind.field]]\nnumber = ${number}\nname = "${name}"\ntype = "text"\nmax = 200\n`;
    writeFileSync(schema, `[[kind]]\nnumber = 3\nname = "toString"\n${['title', 'constructor', 'valueOf', 'hasOwnProperty'].map((name, at) => field(at + 1, name)).join('')}`);
    const server = await startServer('--schema', schema);
    const one = await device(server.url);
    const page = await tab(one, 'odd', server.url);
    await page.click('.add');
    await page.fill('[name=title]', 'Odd');
    await page.fill('[name=valueOf]', 'first');
    await page.click('.save');
    await settled(page);
    await page.click('tbody button:has-text("Odd")');
    assert.deepEqual([await page.inputValue('[name=constructor]'), await page.inputValue('[name=valueOf]')], ['', 'first']);
    await page.fill('[name=hasOwnProperty]', 'own');
    await page.fill('[name=valueOf]', 'second');
    await page.click('.save');
    await settled(page);
    await page.waitForSelector('thead th:has-text("hasOwnProperty")');
    assert.deepEqual(await page.locator('thead th').allTextContents(), ['title', 'valueOf', 'hasOwnProperty']);
    await page.click('tbody button:has-text("Odd")');
    await page.click('.show-history');
    await page.waitForSelector('.card h4:has-text("hasOwnProperty")');
    assert.doesNotMatch(await page.locator('main').innerText(), /native code/);
    await one.close();
    server.stop();
  },

  async 'a schema that was not made for the page has tables of its kinds, of fields of every type'() {
    const schema = new URL('../../../haumana-cli/tests/it/dishes.toml', import.meta.url).pathname;
    const server = await startServer('--schema', schema);
    const one = await device(server.url, elsewhere, { timezoneId: 'Pacific/Honolulu' });
    const page = await tab(one, 'cook', server.url);
    const cells = () => page.locator('tbody tr').evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    const heads = () => page.locator('thead th').allTextContents();
    const sorts = () => page.locator('thead th').evaluateAll((all) => all.filter((one) => one.ariaSort !== 'none').map((one) => `${one.textContent} ${one.ariaSort}`));
    const titles = async () => (await cells()).map(([title]) => title.replace(/ · .*/, ''));
    await page.waitForSelector('tbody .note');
    await accessible(page, 'an empty table');
    await page.evaluate(async () => {
      const { device } = window.haumana;
      const poke = await device.add('dish', {
        title: 'Poke', steps: 'Cut the fish\nMix', ingredients: ['ʻahi', 'paʻakai', 'limu'], tags: ['raw'], cooked: 12, difficulty: 'easy',
        minutes: 15, isVegan: false, rating: 4.5, extra: { a: [1] }, servedAt: '2026-11-29T00:30:00Z', servedBy: 'Kai '.repeat(100),
      });
      await device.add('dish', { title: 'ʻUlu', cooked: 3, difficulty: 'hard', minutes: 120, isVegan: true, tags: ['baked', 'root'] });
      await device.add('dish', { title: 'Ūhā', difficulty: 'medium' });
      await device.add('dish', { title: 'Zest', cooked: 100, minutes: 2 });
      await device.add('tasting', { dishId: poke, score: 9 });
      await device.add('tasting', { dishId: poke, score: 10 });
    });
    await settled(page);
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 4 && !/waits/.test(document.querySelector('tbody').textContent));

    // The title, and the short fields that some dish has; a list where there is room.
    assert.deepEqual(await heads(), ['title', 'cooked', 'difficulty', 'minutes', 'isVegan', 'rating', 'servedAt', 'servedBy']);
    const rows = Object.fromEntries((await cells()).map(([title, ...others]) => [title, others]));
    assert.deepEqual(rows['ʻUlu'], ['3', 'hard', '120', 'yes', '', '', '']);
    assert.deepEqual(rows.Zest, ['100', '', '2', 'no', '', '', '']);
    assert.match(rows.Poke[5], /Nov 28, 2026, 2:30\sPM/);
    assert.match(rows.Poke[6], /^Kai Kai .{100,115}…$/);
    assert.deepEqual([rows.Poke[0], rows.Poke[3], rows.Poke[4]], ['12', 'no', '4.5']);
    const aligned = await page.locator('tbody tr').first().evaluate((row) => [...row.children].map((cell) => getComputedStyle(cell).textAlign));
    assert.deepEqual(aligned, ['left', 'right', 'left', 'right', 'left', 'right', 'left', 'left']);
    await accessible(page, 'a table');
    await page.screenshot({ path: `${pictures}/table.png` });

    // By title at first, without ʻokina and kahakō; by number, and not as text; by the order of the words; what is absent comes last.
    const ways = await page.evaluate(() => [...document.querySelectorAll('.grid [scope]')].map((one) => one.scope));
    assert.deepEqual(new Set(ways), new Set(['col', 'row']));
    assert.deepEqual([await sorts(), await titles()], [['title ascending'], ['Poke', 'Ūhā', 'ʻUlu', 'Zest']]);
    const sort = async (name) => {
      await page.locator(`thead button:text-is("${name}")`).focus();
      await page.keyboard.press('Enter');
      assert.equal(await page.evaluate(() => document.activeElement.textContent), name, 'the focus stays');
    };
    await sort('minutes');
    assert.deepEqual([await sorts(), await titles()], [['minutes ascending'], ['Zest', 'Poke', 'ʻUlu', 'Ūhā']]);
    await sort('minutes');
    assert.deepEqual([await sorts(), await titles()], [['minutes descending'], ['ʻUlu', 'Poke', 'Zest', 'Ūhā']]);
    await sort('difficulty');
    assert.deepEqual(await titles(), ['Poke', 'Ūhā', 'ʻUlu', 'Zest']);
    await sort('cooked');
    await sort('cooked');
    assert.deepEqual(await titles(), ['Zest', 'Poke', 'ʻUlu', 'Ūhā']);

    // What another device adds is there while the focus is on a column, and the way it is sorted stays, also after a form.
    const [phone] = [await device(server.url)];
    const other = await tab(phone, 'cook', server.url);
    await other.evaluate(() => window.haumana.device.add('dish', { title: 'Laulau', cooked: 50, ingredients: ['kalo', 'puaʻa'] }));
    await page.waitForSelector('tbody button:has-text("Laulau")');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'cooked');
    await page.click('tbody button:has-text("Laulau")');
    await page.fill('[name=minutes]', '240');
    await page.click('.save');
    await page.waitForSelector('tbody tr:has-text("Laulau"):has-text("240")');
    assert.deepEqual([await sorts(), await titles()], [['cooked descending'], ['Zest', 'Laulau', 'Poke', 'ʻUlu', 'Ūhā']]);
    // Texts, and what is in lists, whatever is in the columns.
    await page.fill('.search', 'limu');
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
    assert.deepEqual(await titles(), ['Poke']);
    await page.fill('.search', 'paakai');
    assert.deepEqual(await titles(), ['Poke']);
    await page.fill('.search', 'no such dish');
    await page.waitForSelector('tbody .note');

    // A kind without a text is known by the dish that it names.
    await page.selectOption('select', 'tasting');
    await page.waitForSelector('tbody tr:has-text("Poke")');
    assert.deepEqual([await heads(), (await cells()).sort(([, a], [, b]) => a - b)], [['dishId', 'score'], [['Poke', '9'], ['Poke', '10']]]);
    await sort('score');
    await sort('score');
    assert.deepEqual(await cells(), [['Poke', '10'], ['Poke', '9']]);
    await accessible(page, 'a table of two columns');
    await page.click('#language');
    await page.selectOption('select', 'dish');
    await page.waitForSelector('tbody tr:has-text("ʻUlu"):has-text("ʻae")');
    await accessible(page, 'a table in ʻŌlelo Hawaiʻi');

    // Its forms: a word is chosen and so is a record, a list has a line for each element, and what is fixed is said once.
    await page.click('.add');
    const written = {
      title: 'Kulolo', ingredients: 'kalo\nniu', tags: 'sweet', cooked: '7', servedAt: '2026-11-28T14:30:05', origin: 'Kauaʻi', extra: '{"a":[1]}', rating: '4.5',
    };
    for (const [field, value] of Object.entries(written)) await page.fill(`[name=${field}]`, value);
    await page.selectOption('[name=difficulty]', 'medium');
    await page.setChecked('[name=isVegan]', true);
    await accessible(page, 'a form of every type');
    await page.click('.save');
    await page.click('tbody button:has-text("Kulolo")');
    assert.equal(await page.locator('[name=origin]').count(), 0);
    assert.equal(await page.inputValue('[name=servedAt]'), '2026-11-28T14:30:05');
    await page.fill('[name=tags]', 'steamed\nsweet');
    await page.selectOption('[name=difficulty]', '');
    await page.click('.save');
    await page.waitForSelector('tbody button:has-text("Kulolo")');
    const made = await page.evaluate(async () => (await window.haumana.device.list('dish')).find(({ fields }) => fields.title === 'Kulolo').fields);
    assert.deepEqual([made.ingredients, made.tags, made.servedAt, made.origin, made.extra, made.rating, made.isVegan, made.difficulty ?? null, Object.values(made.cooked)],
      [['kalo', 'niu'], ['steamed', 'sweet'], '2026-11-29T00:30:05.000Z', 'Kauaʻi', { a: [1] }, 4.5, true, null, [[7, 0]]]);
    await page.selectOption('select', 'tasting');
    await page.click('.add');
    await page.selectOption('[name=dishId]', { label: 'Kulolo' });
    await page.fill('[name=score]', '8');
    await page.click('.save');
    await page.waitForSelector('tbody tr:has-text("Kulolo"):has-text("8")');
    await page.selectOption('select', 'dish');

    // On a phone the table is scrolled within, and the title stays.
    await page.setViewportSize({ width: 360, height: 640 });
    await page.locator('.scroll').evaluate((scroll) => { scroll.scrollLeft = 10_000; });
    await page.screenshot({ path: `${pictures}/table-phone.png` });
    const seen = await page.evaluate(() => [...document.querySelector('tbody tr').children].map((cell) => {
      const { left, right } = cell.getBoundingClientRect();
      return 0 <= left && right <= innerWidth;
    }));
    assert.deepEqual([seen[0], seen.at(-1)], [true, true], 'the title and the last column are seen at once');
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 360);
    await accessible(page, 'a table on a phone');
    await page.screenshot({ path: `${pictures}/table-phone.png` });
    await one.close(); await phone.close();
    server.stop();
  },

  async '10,000 records of an own kind are a table as fast as a list'() {
    const schema = new URL('../../../haumana-cli/tests/it/dishes.toml', import.meta.url).pathname;
    const server = await startServer('--schema', schema);
    const one = await device(server.url);
    const page = await tab(one, 'many', server.url);
    await page.evaluate(() => window.haumana.device.add('dish', {
      title: 'Dish', steps: 'Stir. '.repeat(20), tags: ['raw', 'quick'], cooked: 12, difficulty: 'easy', minutes: 15, servedAt: '2026-11-29T00:30:00Z',
    }));
    await settled(page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await one.setOffline(true);
    await manyOf(page, 'Dish');
    const times = [];
    for (let time = 0; time < 5; time++) {
      await page.reload({ waitUntil: 'commit' });
      await page.waitForSelector('table[aria-rowcount="10001"] tr[aria-rowindex="2"]:has-text("Dish 0")');
      await page.waitForFunction(() => window.haumana?.shownMs);
      times.push(await page.evaluate(() => window.haumana.shownMs));
    }
    const sortMs = await page.evaluate(() => {
      const from = performance.now();
      document.querySelectorAll('thead button')[2].click();
      return performance.now() - from;
    });
    console.log(`  a table of 10,000 is shown after ${Math.min(...times).toFixed(0)} ms, and sorted otherwise in ${sortMs.toFixed(0)} ms`);
    assert.ok(await page.locator('tbody tr').count() < 200, 'only rows that are near are there');
    await page.locator('.scroll').evaluate((scroll) => { scroll.scrollTop = scroll.scrollHeight; });
    await page.waitForSelector('tr[aria-rowindex="10001"]');
    await accessible(page, '10,000 records');
    await page.locator('.scroll').evaluate((scroll) => { scroll.scrollTop = 0; });
    await page.waitForSelector('tr[aria-rowindex="2"]');
    await page.locator('tr[aria-rowindex="2"] button').focus();
    for (let press = 0; press < 80; press++) await page.keyboard.press('Tab');
    const [at, isSeen] = await page.evaluate(() => {
      const row = document.activeElement.closest('tr'), { top, bottom } = row.getBoundingClientRect(), seen = document.querySelector('.scroll').getBoundingClientRect();
      return [row.ariaRowIndex, seen.top <= top && bottom <= seen.bottom];
    });
    assert.deepEqual([at, isSeen], ['82', true]);
    await page.fill('.search', 'dish 9999');
    await page.waitForSelector('table[aria-rowcount="2"] tr:has-text("Dish 9999")');
    await one.close();
    server.stop();
  },

  async 'a keyboard alone decides a conflict, and brings a version back'() {
    const [phone, laptop] = [await device(), await device()];
    const [a, b] = [await tab(phone, 'keys'), await tab(laptop, 'keys')];
    await add(a, 'Pūpū Hinuhinu', 'one');
    await settled(a);
    await sees(b, 'Pūpū Hinuhinu');
    for (const [page, lyrics] of [[a, 'one from the phone'], [b, 'one from the laptop']]) {
      await page.evaluate(async (lyrics) => {
        const { device } = window.haumana;
        device.setOffline(true);
        await device.edit('piece', (await device.list('piece'))[0].id, { lyrics });
      }, lyrics);
    }
    for (const page of [a, b]) { await page.evaluate(() => window.haumana.device.setOffline(false)); await settled(page); }
    await b.waitForFunction(() => document.title.startsWith('(1)'));

    const focused = () => b.evaluate(() => document.activeElement.className || document.activeElement.tagName);
    /** Goes on by Tab, or back, until something has the focus, which is seen to have it. */
    const reach = async (wanted, key = 'Tab') => {
      for (let press = 0; press < 60; press++) {
        await b.keyboard.press(key);
        if (!await b.evaluate((wanted) => document.activeElement.matches(wanted), wanted)) continue;
        assert.equal(await b.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'solid', `${wanted} is seen to have the focus`);
        return b.waitForFunction(() => {
          const { top, bottom } = document.activeElement.getBoundingClientRect();
          return -1 < top && bottom < innerHeight + 1; // less than a pixel is not seen
        });
      }
      assert.fail(`${wanted} is reached by ${key}`);
    };
    const press = async (wanted, key) => { await reach(wanted, key); await b.keyboard.press('Enter'); };
    await b.bringToFront();
    await press('.to-inbox');
    await b.waitForSelector('.conflict');
    await press('.conflict .restore');
    await b.waitForFunction(() => !document.querySelector('.conflict'));
    // The button is gone, and the keyboard goes on in what is in its place.
    await until(async () => await focused() === 'MAIN');
    await press('.to-records', 'Shift+Tab');
    await b.waitForSelector('ul.list button');
    await press('ul.list button');
    await b.waitForSelector('.show-history');
    await until(async () => await focused() === 'MAIN');
    const decided = await b.inputValue('[name=lyrics]');
    await press('.show-history');
    await b.waitForSelector('.version');
    await reach('.version');
    const heard = () => b.getAttribute('.version', 'aria-valuetext');
    const newest = await heard();
    await b.keyboard.press('Home');
    assert.notEqual(await heard(), newest);
    assert.match(await heard(), /^Version 1 /);
    await press('.card .restore');
    await sees(b, 'Pūpū Hinuhinu');
    await settled(b);
    const { fields } = await b.evaluate(async () => (await window.haumana.device.list('piece'))[0]);
    assert.deepEqual([fields.lyrics, decided !== 'one'], ['one', true]);
    await phone.close(); await laptop.close();
  },

  async 'the page fits on a phone'() {
    const one = await device();
    const page = await tab(one, 'small');
    await page.setViewportSize({ width: 360, height: 640 });
    await add(page, 'Kananaka, a song with a title that is much longer than a phone is wide', 'ʻO ka pā mai a ka Maʻaʻa\nHalihali mai ana lā i ke ʻala');
    await settled(page);
    const fits = async (where) => {
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${where} is ${width} wide`);
    };
    await fits('the list');
    await page.click('ul.list button');
    await page.waitForSelector('.save');
    await fits('a form');
    await page.click('.show-history');
    await page.waitForSelector('.version');
    await fits('the history');
    await page.click('.to-inbox');
    await fits('the inbox');
    await page.click('.to-account');
    await page.click('.devices');
    await page.waitForSelector('.seen tbody tr');
    await fits('the account');
    await one.close();
  },

  async 'a browser that keeps nothing for a page says so'() {
    const one = await device();
    const page = await tab(one, 'nothing');
    await add(page, 'Kept');
    await settled(page);
    await page.addInitScript(() => Object.defineProperty(window, 'indexedDB', { value: undefined }));
    await page.reload();
    await page.waitForSelector('[role=alert]:has-text("keeps nothing")');
    await one.close();
  },

  async 'a full disk refuses an edit in words, keeps what was acknowledged, and the page goes on once there is space'() {
    const { one, page, room } = await small(150_000);
    const laptop = await device();
    const other = await tab(laptop, 'full');
    await signIn(page, 'full');
    await page.waitForSelector('.add');
    await flight(page, true);
    const { acknowledged, why } = await fill(page);
    assert.ok(2 < acknowledged.length, `${acknowledged.length} fit`);
    assert.match(why, /QuotaExceededError/);

    // A person reads it, and what they wrote stays in the form.
    const write = async () => {
      await page.click('.add');
      await page.fill('[name=title]', 'Written while it was full');
      await page.fill('[name=lyrics]', 'ʻO ka pā');
      await page.click('.save');
      await page.waitForSelector('[role=alert]:has-text("disk is full")');
      assert.equal(await page.inputValue('[name=title]'), 'Written while it was full');
    };
    await write();
    await accessible(page, 'a full disk');
    assert.deepEqual((await titlesOf(page)).sort(), acknowledged.toSorted());

    // A page that is opened while the disk is full shows what is there; so does another tab.
    await page.reload();
    await page.waitForSelector('ul.list button:has-text("Kept 0")');
    assert.deepEqual((await titlesOf(page)).sort(), acknowledged.toSorted());
    const late = await tab(one);
    await late.waitForSelector('ul.list button:has-text("Kept 0")');
    await page.bringToFront();
    await page.waitForSelector('.status:has-text("disk is full")');

    // What was saved goes to the server all the same; what comes from there has no place.
    await until(async () => (await titlesOf(other)).length === acknowledged.length);
    assert.deepEqual((await titlesOf(other)).sort(), acknowledged.toSorted());
    await add(other, 'From elsewhere');
    await settled(other);
    await write();
    assert.deepEqual((await titlesOf(page)).sort(), acknowledged.toSorted());

    // With space the same press saves it, and the sync goes on by itself: it tries every half minute.
    page.setDefaultTimeout(60_000);
    await room(50_000_000);
    await page.click('.save');
    await sees(page, 'Written while it was full');
    await sees(page, 'From elsewhere');
    await settled(page);
    const all = [...acknowledged, 'Written while it was full', 'From elsewhere'].sort();
    assert.deepEqual((await titlesOf(page)).sort(), all);
    await until(async () => (await titlesOf(other)).length === all.length);
    assert.deepEqual((await titlesOf(other)).sort(), all);

    // The other tab has read what was there before, so it writes nothing over it.
    const refused = await late.evaluate(() => window.haumana.device.add('piece', { title: 'x' }).then(() => '', String));
    assert.match(refused, /AnotherTab/);
    await late.bringToFront();
    await late.reload();
    await sees(late, 'Written while it was full');
    await one.close(); await laptop.close();
  },

  async 'what comes from the server waits for space on a full disk, and then comes by itself'() {
    const { one, page, room } = await small(100_000);
    const laptop = await device();
    const other = await tab(laptop, 'incoming');
    await signIn(page, 'incoming');
    await settled(page);
    await other.evaluate(() => { window.haumana.device.setOffline(true); });
    await other.evaluate(async () => {
      const lyrics = () => Array.from(crypto.getRandomValues(new Uint8Array(8_000)), (byte) => String.fromCharCode(33 + byte % 90)).join('');
      for (let n = 0; n < 30; n++) await window.haumana.device.add('piece', { title: `Sent ${n}`, lyrics: lyrics() });
      window.haumana.device.setOffline(false);
    });
    await settled(other);
    await page.waitForSelector('.status:has-text("disk is full")');
    await accessible(page, 'a sync that has no space');
    page.setDefaultTimeout(60_000);
    await room(50_000_000);
    await page.waitForSelector('ul.list li[aria-setsize="30"]');
    await settled(page);
    await one.close(); await laptop.close();
  },

  async 'a disk that is full when somebody signs in says so, and lets them try again'() {
    const { one, page, room } = await small(1);
    await signIn(page, 'no-room');
    await page.waitForSelector('[role=alert]:has-text("disk is full")');
    await accessible(page, 'a full disk at sign-in');
    await room(50_000_000);
    await page.click('#sign-in');
    await page.waitForSelector('.add');
    assert.equal(await page.locator('[role=alert]').count(), 0);
    await add(page, 'Kept');
    await settled(page);
    await one.close();
  },

  async 'a browser that denies its storage says so, and a private window keeps what it can'() {
    const denied = await device(url, elsewhere, {}, { profile: { default_content_setting_values: { cookies: 2 } } });
    const page = await denied.newPage();
    await page.goto(url);
    await page.waitForSelector('[role=alert]:has-text("keeps nothing")');
    await signIn(page, 'denied');
    await page.waitForSelector('[role=alert]:has-text("keeps nothing")');
    assert.equal(await page.locator('.add').count(), 0, 'nobody is let write what is not kept');
    await accessible(page, 'storage that is denied');
    await denied.close();

    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
    const hidden = await tab(await browser.newContext({ locale: 'en-US' }), 'private');
    await add(hidden, 'For this window');
    await settled(hidden);
    await hidden.reload();
    await sees(hidden, 'For this window');
    await browser.close();
  },

  async 'two tabs that write at the same time lose nothing that was acknowledged'() {
    const one = await device();
    const tabs = [await tab(one, 'both'), await tab(one)];
    const acknowledged = new Set();
    for (const page of tabs) await page.exposeFunction('acknowledge', (title) => { acknowledged.add(title); });
    // Each writes until the other one is the writer, and the one that was refused takes over in the midst of the other's edits.
    const write = (page, name) => page.evaluate(async (name) => {
      window.refused = (async () => {
        for (let n = 0, from = Date.now(); Date.now() - from < 20_000; n++) {
          const title = `${name} ${n}`;
          try { await window.haumana.device.add('piece', { title }); } catch (why) { return why.message; }
          await window.acknowledge(title);
        }
        return 'nobody was refused';
      })();
    }, name);
    let refusals = 0;
    await write(tabs[1], 'turn 0');
    for (let turn = 1; turn <= 10; turn++) {
      const [page, before] = [tabs[(turn + 1) % 2], tabs[turn % 2]];
      await until(async () => [...acknowledged].some((title) => title.startsWith(`turn ${turn - 1} `)));
      await page.bringToFront();
      await page.reload();
      await page.waitForSelector('.add');
      await write(page, `turn ${turn}`);
      assert.match(await before.evaluate(() => window.refused), /AnotherTab/);
      refusals++;
    }
    const last = tabs[1];
    await last.reload();
    await last.waitForSelector('.add');
    await settled(last);
    const there = new Set(await titlesOf(last));
    assert.deepEqual([...acknowledged].filter((title) => !there.has(title)), []);
    console.log(`  ${acknowledged.size} edits of two tabs, which took over from each other ${refusals} times`);

    // Another device has them too.
    const laptop = await device();
    const other = await tab(laptop, 'both');
    await until(async () => (await titlesOf(other)).length === there.size);
    await one.close(); await laptop.close();
  },

  async 'every text of the page is there in both languages'() {
    const one = await device();
    const page = await tab(one, 'words');
    const { en, haw } = await page.evaluate(async () => (await import('./words.js')).words);
    assert.deepEqual(Object.keys(haw).sort(), Object.keys(en).sort());
    for (const [key, text] of [...Object.entries(en), ...Object.entries(haw)]) assert.ok(text.trim(), key);
    const folder = new URL('../../page/', import.meta.url);
    const used = new Set();
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.js') && !name.startsWith('haumana_web')))
      for (const [, key] of readFileSync(new URL(file, folder), 'utf8').matchAll(/\bt\('(\w+)'\)/g)) used.add(key);
    assert.ok(30 < used.size);
    assert.deepEqual([...used].filter((key) => !en[key]), []);
    // What the replica and the protocol say in words of their own.
    const words = (file, part) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8').match(part)[1];
    const phases = [...words('haumana-replica/src/status.rs', /pub enum Phase {([^]*?)\n}/).matchAll(/^    (\w+)[,(]/gm)].map(([, name]) => name);
    const reasons = [...words('docs/protocol.md', /`reason` is ([^.]*)\./).matchAll(/`(\w+)`/g)].map(([, name]) => name);
    assert.ok(5 <= phases.length && 6 === reasons.length, `${phases} ${reasons}`);
    assert.deepEqual([...phases, ...reasons].filter((word) => !en[word] || en[word] === haw[word]), []);
    await one.close();
  },

  async 'a deletion is undone from the history'() {
    const one = await device();
    const page = await tab(one, 'deleter');
    await add(page, 'Hiʻilawe', 'Kūmaka ka ʻikena iā Hiʻilawe');
    await settled(page);
    await page.click('ul.list button');
    await page.click('.remove');
    await page.waitForSelector('.search');
    await settled(page);
    await page.click('.deleted');
    await page.click('ul.list button');
    await page.waitForSelector('.version');
    await page.evaluate(() => { const slider = document.querySelector('.version'); slider.value = 0; slider.dispatchEvent(new Event('input')); });
    await page.click('.card .restore');
    await sees(page, 'Hiʻilawe');
    await one.close();
  },

  async 'lyrics keep every byte, and search needs no ʻokina'() {
    const one = await device();
    const page = await tab(one, 'bytes');
    const lyrics = 'Ē \u0301kū  ana\t\n\n\n“A” ʻo ia\u00a0. e\u0304';
    await add(page, 'Kāua ʻo Lā', lyrics);
    await page.fill('.search', 'kaua o la');
    await page.click('ul.list button');
    assert.equal(await page.inputValue('[name=lyrics]'), lyrics);
    await one.close();
  },

  async 'no acknowledged edit is lost by kills at random moments'() {
    const one = await device();
    let page = await tab(one, 'killed');
    let acknowledged = 0, random = 7;
    const from = performance.now();
    await page.close();
    for (let kill = 0; kill < KILLS; kill++) {
      random = (random * 48271) % 2147483647;
      page = await one.newPage();
      await page.exposeFunction('acknowledge', (n) => { acknowledged = Math.max(acknowledged, n); });
      await page.goto(url);
      await page.waitForSelector('.add');
      await page.evaluate(async (from) => {
        const { device } = window.haumana;
        (async () => { for (let n = from; ; n++) { await device.add('piece', { title: `n${n}` }); await window.acknowledge(n); } })();
      }, acknowledged + 1);
      await new Promise((done) => setTimeout(done, random % 120));
      const session = await one.newCDPSession(page);
      await Promise.race([session.send('Page.crash').catch(() => {}), new Promise((done) => page.once('crash', done))]);
      await page.close();
    }
    page = await one.newPage();
    await page.goto(url);
    await page.waitForSelector('.add');
    const titles = new Set(await page.evaluate(async () => (await window.haumana.device.list('piece')).map((one) => one.fields.title)));
    for (let n = 1; n <= acknowledged; n++) assert.ok(titles.has(`n${n}`), `n${n} of ${acknowledged} is lost`);
    assert.ok(acknowledged > 0);
    console.log(`  ${KILLS} kills, ${acknowledged} acknowledged edits, in ${((performance.now() - from) / 1000).toFixed(0)} s`);
    await one.close();
  },

  async 'the page opens and edits without a network'() {
    const one = await device();
    let page = await tab(one, 'offline');
    await add(page, 'Ke Kali Nei Au');
    await settled(page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await one.setOffline(true);
    await page.reload();
    await sees(page, 'Ke Kali Nei Au');
    await add(page, 'Made offline');
    await page.reload();
    await sees(page, 'Made offline');
    await one.setOffline(false);
    await page.reload();
    await settled(page);
    await one.close();
  },

  async 'a form loses nothing: a second press, what others counted meanwhile, line ends, what a flag is at first'() {
    const schema = `${mkdtempSync(`${tmpdir()}/haumana-schema-`)}/schema.toml`;
    const fields = [['title', 'text', 'max = 200\nmandatory = true'], ['cooked', 'counter'], ['tags', 'set', 'of = "text"\nmax = 20'],
      ['isOn', 'flag', 'mandatory = true'], ['isOpen', 'flag', 'default = true'], ['note', 'text', 'max = 200'],
      ['sortTitle', 'text', 'max = 200\ndefault_is_field = "title"'], ['pages', 'integer']];
    writeFileSync(schema, `[[kind]]\nnumber = 3\nname = "thing"\n${fields.map(([name, type, more = ''], at) => `[[kind.field]]\nnumber = ${at + 1}\nname = "${name}"\ntype = "${type}"\n${more}\n`).join('')}`);
    const server = await startServer('--schema', schema);
    const [phone, laptop] = [await device(server.url), await device(server.url)];
    const [a, b] = [await tab(phone, 'forms', server.url), await tab(laptop, 'forms', server.url)];
    const all = (page) => page.evaluate(async () => (await window.haumana.device.list('thing')).map(({ fields }) => fields));
    const total = (one) => Object.values(one.cooked ?? {}).reduce((sum, [more, less]) => sum + more - less, 0);

    await a.click('.add');
    await a.fill('[name=title]', 'Poke');
    await a.fill('[name=cooked]', '5');
    await a.fill('[name=tags]', 'raw\nquick');
    assert.deepEqual([await a.isChecked('[name=isOn]'), await a.isChecked('[name=isOpen]')], [false, true]);
    await a.setChecked('[name=isOpen]', false);
    await a.fill('[name=pages]', '9007199254740993');
    await a.click('.save');
    await a.waitForSelector('[role=alert]:has-text("pages")');
    await a.fill('[name=pages]', '7');
    await a.locator('.save').dblclick();
    await a.waitForSelector('.search');
    await settled(a);
    const [made, ...others] = await all(a);
    assert.deepEqual([others, made.isOn, made.isOpen, made.sortTitle, made.pages], [[], false, false, 'Poke', 7]);

    // What another device does while the form is open is kept beside what is written in it.
    await b.waitForSelector('tbody button:has-text("Poke")');
    await a.click('tbody button:has-text("Poke")');
    await a.fill('[name=cooked]', '6');
    await a.fill('[name=tags]', 'quick\nisland');
    await a.fill('[name=sortTitle]', 'poke');
    await b.evaluate(async () => {
      const { device } = window.haumana, [{ id }] = await device.list('thing');
      await device.edit('thing', id, { cooked: 6, tags: ['raw', 'quick', 'fish'], note: 'one\ntwo' });
    });
    await until(async () => total((await all(a))[0]) === 6);
    await a.click('.save');
    await a.waitForSelector('.search');
    const [merged] = await all(a);
    assert.deepEqual([total(merged), merged.tags.toSorted(), merged.sortTitle], [7, ['fish', 'island', 'quick'], 'poke']);

    await a.click('tbody button:has-text("Poke")');
    assert.equal(await a.inputValue('[name=note]'), 'one\ntwo');
    await a.fill('[name=note]', 'one\ntwo!');
    await a.click('.save');
    await a.waitForSelector('.search');
    assert.equal((await all(a))[0].note, 'one\ntwo!');

    // What a field cannot hold, as from an earlier schema, is as absent, and breaks nothing.
    const held = await a.evaluate(async () => {
      const { heldIn } = await import(new URL('table.js', location.href));
      const cases = [['time', 'soon'], ['counter', 5, { a: 1 }], ['set', 'raw', [1]], ['list', { a: 1 }], ['flag', 'yes'], ['integer', '7'], ['text', 7]];
      return cases.flatMap(([type, ...values]) => values.map((value) => heldIn({ it: value }, { name: 'it', type }) === undefined || type === 'counter' && value === 5));
    });
    assert.deepEqual(new Set(held), new Set([true]));
    await phone.close(); await laptop.close();
    server.stop();
  },

  async 'a token lives as long as its issuer says, whatever the clock of the device is'() {
    const one = await device();
    const page = await tab(one, 'tokens');
    const seen = await page.evaluate(async () => {
      const { heldToken } = await import(new URL('token.js', location.href));
      let missing = 0;
      const held = heldToken(() => missing++), source = held.tokenOf('kai'), ask = (...asked) => source(...asked).catch((why) => why.name);
      const iat = Math.floor(Date.now() / 1000) - 7200;
      held.set('new', 'kai', { iat, exp: iat + 3600 });
      const answers = [await ask(false, 'kai'), await ask(true, 'kai', 'old'), await ask(true, 'kai', 'new'), missing];
      held.set('ended', 'kai', { iat, exp: iat + 60 });
      return [...answers, await ask(false, 'kai')];
    });
    assert.deepEqual(seen, ['new', 'new', 'NoToken', 1, 'NoToken']);
    await one.close();
  },

  async 'the page opens and edits while a proxy says that the server is down'() {
    const server = await startServer();
    const one = await device(server.url);
    const page = await tab(one, 'down', server.url);
    await add(page, 'Ke Kali Nei Au');
    await settled(page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    server.stop();
    const proxy = createServer((_, answer) => answer.writeHead(502, { 'content-type': 'text/html' }).end('<p>Bad gateway'));
    const listen = () => new Promise((done) => {
      proxy.once('error', () => done(false));
      proxy.listen(Number(new URL(server.url).port), '127.0.0.1', () => done(true));
    });
    // The killed server may hold the port for a moment.
    await until(listen);
    await page.reload();
    await sees(page, 'Ke Kali Nei Au');
    await add(page, 'Made meanwhile');
    await sees(page, 'Made meanwhile');
    await one.close();
    proxy.close();
  },

  async 'of two tabs the later one writes, and the other one says so and goes on'() {
    const one = await device();
    const first = await tab(one, 'tabs');
    const second = await tab(one);
    await add(second, 'From the second');
    const refused = await first.evaluate(() => window.haumana.device.add('piece', { title: 'x' }).then(() => '', String));
    assert.match(refused, /AnotherTab/);
    // As a person does: a tab that stands behind another one draws once a second, and takes no click.
    await first.bringToFront();
    await first.reload();
    await sees(first, 'From the second');
    await add(first, 'From the first');
    await one.close();
  },

  async '10,000 pieces are listed at once, and scrolled without a stall'() {
    const one = await device();
    const page = await tab(one, 'many');
    await add(page, 'Mele', 'ʻo ia '.repeat(20));
    await settled(page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await one.setOffline(true);
    await manyOf(page, 'Mele');
    // The best of some times: others may use the machine.
    const times = [];
    for (let time = 0; time < 5; time++) {
      await page.reload({ waitUntil: 'commit' });
      await page.waitForSelector('ul.list li[aria-posinset="1"][aria-setsize="10000"]');
      await page.waitForFunction(() => window.haumana?.shownMs);
      times.push(await page.evaluate(() => [window.haumana.openMs, window.haumana.shownMs]));
    }
    const [openMs, shownMs] = times.sort(([, a], [, b]) => a - b)[0];
    console.log(`  10,000 pieces: the replica opens in ${openMs.toFixed(0)} ms, and they are listed ${shownMs.toFixed(0)} ms later`);
    // Opening reads as many records on the same machine, be it slow or busy.
    assert.ok(shownMs < Math.max(100, openMs / 2), `listed after ${times.map(([, shown]) => shown.toFixed(0))} ms`);
    assert.ok(await page.locator('ul.list li').count() < 200, 'only rows that are near are there');

    // Down to the last row in a hundred steps, and back at once.
    const frames = await page.evaluate(async () => {
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      const frames = [];
      const jump = async (top) => {
        scrollTo(0, top);
        await frame();
        // The rows of this place are drawn in this frame.
        const from = performance.now();
        await frame();
        frames.push(performance.now() - from);
        const seen = document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest('li');
        if (!seen) throw new Error(`nothing is shown at ${top}`);
      };
      const end = document.documentElement.scrollHeight - innerHeight;
      for (let step = 1; step <= 100; step++) await jump(end * step / 100 - 60);
      await jump(end / 2);
      return frames.sort((a, b) => a - b);
    });
    const [nearly, longest] = [frames[95], frames.at(-1)];
    console.log(`  while they are scrolled the longest frame takes ${longest.toFixed(0)} ms, 95 of 100 at most ${nearly.toFixed(0)}`);
    // A single frame may have waited for another program.
    assert.ok(nearly < Math.max(100, openMs / 2), `${nearly} ms`);
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await page.waitForSelector('ul.list li[aria-posinset="10000"]');
    // By keyboard to a row that was not there, which keeps the focus while it is scrolled away.
    await page.evaluate(() => scrollTo(0, 0));
    await page.locator('ul.list li[aria-posinset="1"] button').focus();
    for (let press = 0; press < 80; press++) await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.closest('li').ariaPosInSet), '81');
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await page.waitForSelector('ul.list li[aria-posinset="10000"]');
    assert.equal(await page.evaluate(() => document.activeElement.closest('li').ariaPosInSet), '81');
    await accessible(page, '10,000 pieces');
    await page.fill('.search', 'mele 9999');
    await page.waitForSelector('ul.list li[aria-setsize="1"]:has-text("Mele 9999")');
    await one.close();
  },

  async 'the page speaks ʻŌlelo Hawaiʻi'() {
    const one = await device();
    const page = await tab(one, 'haw');
    await page.click('#language');
    await page.waitForSelector('h2:has-text("Nā mea")');
    assert.equal(await page.getAttribute('html', 'lang'), 'haw');
    await page.waitForSelector('.status:has-text("Mākaukau")');
    await accessible(page, 'ʻŌlelo Hawaiʻi');
    // The choice stays, and so it does where nobody is signed in.
    await page.reload();
    await page.waitForSelector('h2:has-text("Nā mea")');
    await page.click('.to-account');
    await page.click('button:has-text("Haʻalele")');
    await page.waitForSelector('button:has-text("ʻEʻe")');
    await page.reload();
    await page.waitForSelector('button:has-text("ʻEʻe")');
    assert.equal(await page.getAttribute('html', 'lang'), 'haw');
    await accessible(page, 'signing in in ʻŌlelo Hawaiʻi');
    await one.close();
  },
};

let failed = 0;
for (const [name, story] of Object.entries(stories)) {
  if (process.env.ONLY && !name.includes(process.env.ONLY)) continue;
  try { await story(); console.log(`ok: ${name}`); } catch (why) { failed++; console.log(`FAILED: ${name}\n${why.stack}`); }
}
if (elsewhere.length) { failed++; console.log(`FAILED: requests left the origin: ${elsewhere.join(' ')}`); } else console.log('ok: no request left the origin');
process.exit(failed ? 1 : 0);
