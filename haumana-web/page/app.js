// The page: who is signed in, and the device that is shown.

import { openDevice } from './device.js';
import { el, button } from './dom.js';
import { openPane } from './pane.js';
import { showTwo } from './two.js';
import { choose, language, t } from './words.js';

const top = document.getElementById('top');
const main = document.getElementById('main');
const schema = await (await fetch('schema')).text();
const kinds = JSON.parse(schema).kind.map((kind) => ({ ...kind, fields: kind.field ?? [] }));
const remembered = 'haumana.name';
const TWO = '#two-devices';
/** LIMIT: how long a token may take. */
const TOKEN_MS = 30_000;
let device, pane;

/** Makes a source of tokens. They are for this tab only, and never stored. */
function tokenOf(sub) {
  let kept, until = 0;
  return async (isRefused) => {
    if (!isRefused && Date.now() < until) return kept;
    const headers = { 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(TOKEN_MS);
    const answer = await fetch('dev/tokens', { method: 'POST', headers, body: JSON.stringify({ sub }), signal });
    if (!answer.ok) throw new Error('no token');
    [kept, until] = [(await answer.json()).idToken, Date.now() + 10 * 60_000];
    return kept;
  };
}

/** Whether the server issues its own tokens, which only one for development does. */
const issuesTokens = () => fetch('dev/jwks.json').then((answer) => answer.ok, () => false);

async function signIn(account) {
  device = await openDevice({ account, schema, token: tokenOf(account), name: 'haumana' });
  localStorage.setItem(remembered, account);
  const onCount = (count) => { document.title = count ? `(${count}) Haumana` : 'Haumana'; };
  const name = el('h1', {}, 'Haumana');
  const beside = () => [languages(() => pane.again())];
  pane = openPane({ device, kinds, top, main, name, account, signOut, onCount, beside });
  window.haumana = { device };
  const from = performance.now();
  await pane.open({});
  window.haumana.shownMs = performance.now() - from;
}

function signOut() {
  device?.stop();
  pane?.close();
  device = pane = undefined;
  localStorage.removeItem(remembered);
  showSignIn();
}

function showSignIn() {
  top.replaceChildren(el('h1', {}, 'Haumana'), languages(showSignIn));
  const name = el('input', { id: 'name', autocomplete: 'username' });
  const go = () => name.value && attempt(() => signIn(name.value));
  const form = el('form', { onsubmit: (event) => { event.preventDefault(); go(); } },
    el('label', {}, t('name'), name), el('button', { className: 'main', id: 'sign-in' }, t('signIn')));
  main.replaceChildren(form);
  issuesTokens().then((does) => {
    if (does && form.isConnected) form.after(el('p', {}, button(t('twoTry'), () => { location.hash = TWO; }, { id: 'two-devices' })));
  });
}

const languages = (draw) => button(language === 'en' ? 'ʻŌlelo Hawaiʻi' : 'English', () => {
  choose(language === 'en' ? 'haw' : 'en');
  draw();
}, { id: 'language' });

/** What goes wrong before a device is shown. */
async function attempt(work) {
  try { await work(); } catch (why) {
    document.querySelector('[role=alert]')?.remove();
    const known = why?.name === 'NoStorage' ? t('noStorage') : why?.message ?? String(why);
    main.before(el('p', { role: 'alert' }, known));
  }
}

async function start() {
  if (location.hash === TWO && await issuesTokens()) {
    document.body.classList.add('wide');
    const leave = () => { location.hash = ''; };
    return attempt(() => showTwo({ schema, kinds, top, main, tokenOf, languages, leave }));
  }
  const name = localStorage.getItem(remembered);
  if (name) await attempt(() => signIn(name));
  else showSignIn();
}

addEventListener('hashchange', () => location.reload());
// A tab that comes back, and is no longer the writer, reads everything anew.
addEventListener('focus', async () => {
  if (!device) return;
  if (await device.isWriter()) device.again();
  else if (!pane?.isForm()) location.reload();
});
if ('serviceWorker' in navigator) navigator.serviceWorker.register('worker.js').catch(() => {});
await start();
