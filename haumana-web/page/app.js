// The page: who is signed in, and the device that is shown.

import { openDevice } from './device.js';
import { el, button } from './dom.js';
import { openGoogle } from './google.js';
import { openOidc } from './oidc.js';
import { openPane } from './pane.js';
import { showTwo } from './two.js';
import { choose, explain, language, t } from './words.js';

const top = document.getElementById('top');
const main = document.getElementById('main');
const config = JSON.parse(await textOf('config.json'));
/** The API's address, without the last slash; empty if it is where the page is. */
const server = config.server ?? '';
const at = (path) => (server ? `${server}/${path}` : path);
const schema = await textOf(at('schema'));
const kinds = JSON.parse(schema).kind.map((kind) => ({ ...kind, fields: kind.field ?? [] }));
const remembered = 'haumana.name', shownAs = 'haumana.shown';
const TWO = '#two-devices';
/** LIMIT: how long a token may take. */
const TOKEN_MS = 30_000;
let device, pane, account;
const hears = { onPerson, onMissing: showAgain };
/** Who signs people in, if it is not the server itself. */
const issuer = config.googleClientId ? openGoogle(config.googleClientId, hears) : config.oidc ? openOidc(config.oidc, hears) : undefined;

/** A file without which there is no page; says so where it cannot be had. */
async function textOf(path) {
  try {
    const answer = await fetch(path);
    if (answer.ok) return await answer.text();
  } catch { /* No network, and nothing is kept. */ }
  main.before(el('p', { role: 'alert' }, t('noServer')));
  throw new Error(`no ${path}`);
}

/** Makes a source of tokens of a server that issues its own. They are for this tab only, and never stored. */
function tokenOf(sub) {
  if (issuer) return issuer.tokenOf(sub);
  let kept, until = 0;
  return async (isRefused) => {
    if (!isRefused && Date.now() < until) return kept;
    const answer = await post('dev/tokens', { sub });
    if (!answer.ok) throw new Error('no token');
    [kept, until] = [(await answer.json()).idToken, Date.now() + 10 * 60_000];
    return kept;
  };
}

function post(path, body) {
  const headers = { 'content-type': 'application/json' };
  return fetch(at(path), { method: 'POST', headers, body: JSON.stringify(body), credentials: 'omit', signal: AbortSignal.timeout(TOKEN_MS) });
}

/** Whether the server issues its own tokens, which only one for development does; nothing if it cannot be reached. */
const issuesTokens = () => (issuer ? Promise.resolve(false) : fetch(at('dev/jwks.json')).then((answer) => answer.ok, () => undefined));

/** Somebody has signed in at the issuer: the one whose records are shown, or another one. */
async function onPerson({ sub, shown, token }) {
  document.getElementById('again')?.remove();
  localStorage.setItem(shownAs, shown);
  // As the app does: the server writes down who has an account.
  post('auth/sync', { googleIdToken: token, identityId: null }).catch(() => {});
  if (account === sub) return device?.again();
  close();
  return attempt(() => signIn(sub));
}

/** Asks whose records are shown to sign in again: a call needs a token. What is edited meanwhile waits. */
function showAgain() {
  if (!account || document.getElementById('again')) return;
  const place = el('div', { className: 'sign-in' });
  main.before(el('section', { id: 'again', className: 'card', 'aria-label': t('signIn') }, el('p', {}, t('again')), place));
  issuer.button(place, language).catch((why) => place.append(why.message));
}

async function signIn(name) {
  const begun = performance.now();
  account = name;
  device = await openDevice({ account: name, schema, server, token: tokenOf(name), name: 'haumana' });
  localStorage.setItem(remembered, account);
  // A browser that needs space deletes first what nobody asked it to keep.
  navigator.storage?.persist?.().catch(() => {});
  const onCount = (count) => { document.title = count ? `(${count}) Haumana` : 'Haumana'; };
  const heading = el('h1', {}, 'Haumana');
  const beside = () => [languages(() => pane.again())];
  const shown = (issuer && localStorage.getItem(shownAs)) || account;
  pane = openPane({ device, kinds, top, main, name: heading, account: shown, signOut, onCount, beside });
  const from = performance.now();
  window.haumana = { device, openMs: from - begun };
  await pane.open({});
  window.haumana.shownMs = performance.now() - from;
}

function close() {
  document.getElementById('again')?.remove();
  device?.stop();
  pane?.close();
  device = pane = account = undefined;
}

function signOut() {
  close();
  issuer?.signOut();
  [remembered, shownAs].forEach((key) => localStorage.removeItem(key));
  showSignIn();
}

function showSignIn() {
  top.replaceChildren(el('h1', {}, 'Haumana'), languages(showSignIn));
  if (issuer) {
    const place = el('div', { className: 'sign-in' });
    main.replaceChildren(el('h2', {}, t('signIn')), place);
    return attempt(() => issuer.button(place, language));
  }
  const name = el('input', { id: 'name', autocomplete: 'username' });
  const go = () => name.value && attempt(() => signIn(name.value));
  const form = el('form', { onsubmit: (event) => { event.preventDefault(); go(); } },
    el('label', {}, t('name'), name), el('button', { className: 'main', id: 'sign-in' }, t('signIn')));
  main.replaceChildren(form);
  return issuesTokens().then((does) => {
    if (!form.isConnected) return;
    // A name would make records here that no server ever takes.
    if (does === false) form.replaceWith(el('p', {}, t('noSignIn')));
    if (does) form.after(el('p', {}, button(t('twoTry'), () => { location.hash = TWO; }, { id: 'two-devices' })));
  });
}

const languages = (draw) => button(language === 'en' ? 'ʻŌlelo Hawaiʻi' : 'English', () => {
  choose(language === 'en' ? 'haw' : 'en');
  draw();
}, { id: 'language' });

/** Says what goes wrong before a device is shown, and returns whether nothing did. */
async function attempt(work) {
  try { await work(); return true; } catch (why) {
    document.querySelector('[role=alert]')?.remove();
    main.before(el('p', { role: 'alert' }, explain(why)));
  }
}

async function start() {
  if (location.hash === TWO && await issuesTokens()) {
    document.body.classList.add('wide');
    const leave = () => { location.hash = ''; };
    return showTwo({ schema, server, kinds, top, main, tokenOf, languages, leave });
  }
  if (await issuer?.back?.()) return undefined;
  const name = localStorage.getItem(remembered);
  return name ? signIn(name) : showSignIn();
}

addEventListener('hashchange', () => location.reload());
// A tab that comes back, and is no longer the writer, reads everything anew.
addEventListener('focus', async () => {
  if (!device) return;
  if (await device.isWriter()) device.again();
  else if (!pane?.isForm()) location.reload();
});
if ('serviceWorker' in navigator) navigator.serviceWorker.register('worker.js').catch(() => {});
if (!await attempt(start)) await showSignIn();
