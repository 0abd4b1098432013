// The page: who is signed in, which view is shown, and what is said of the sync.

import { showAccount } from './account.js';
import { openDevice } from './device.js';
import { el, button } from './dom.js';
import { showHistory } from './history.js';
import { showInbox } from './inbox.js';
import { showDeleted } from './deleted.js';
import { showForm, showRecords } from './records.js';
import { choose, language, t } from './words.js';

const top = document.getElementById('top');
const main = document.getElementById('main');
const schemaText = await (await fetch('schema')).text();
const kinds = JSON.parse(schemaText).kind.map((kind) => ({ ...kind, fields: kind.field ?? [] }));
// For this tab only; a token is never stored.
const remembered = 'haumana.name';
let device, account, state = {}, showing = 0;

function tokenOf(sub) {
  let kept, until = 0;
  return async () => {
    if (Date.now() < until) return kept;
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch('dev/tokens', { method: 'POST', headers, body: JSON.stringify({ sub }) });
    if (!answer.ok) throw new Error('no token');
    [kept, until] = [(await answer.json()).idToken, Date.now() + 10 * 60_000];
    return kept;
  };
}

async function signIn(name) {
  device = await openDevice({ account: name, schema: schemaText, token: tokenOf(name), name: 'haumana' });
  account = name;
  localStorage.setItem(remembered, name);
  device.onChange(refresh);
  window.haumana = { device };
  const from = performance.now();
  await open({});
  window.haumana.shownMs = performance.now() - from;
  device.sync();
}

function signOut() {
  device?.stop();
  device = account = undefined;
  localStorage.removeItem(remembered);
  showSignIn();
}

function showSignIn() {
  top.replaceChildren(el('h1', {}, 'Haumana'), languages());
  const name = el('input', { id: 'name', autocomplete: 'username' });
  const go = () => name.value && attempt(() => signIn(name.value))();
  main.replaceChildren(el('form', { onsubmit: (event) => { event.preventDefault(); go(); } },
    el('label', {}, t('name'), name), el('button', { className: 'main', id: 'sign-in' }, t('signIn'))));
}

const languages = () => button(language === 'en' ? 'ʻŌlelo Hawaiʻi' : 'English', () => {
  choose(language === 'en' ? 'haw' : 'en');
  device ? open(state) : showSignIn();
}, { id: 'language' });

/** A handler that says what went wrong. */
const attempt = (work) => async () => {
  try { await work(); } catch (why) { complain(why); }
};

function complain(why) {
  const cause = `${why?.name} ${why?.message}`;
  document.querySelector('[role=alert]')?.remove();
  const isElsewhere = cause.includes('AnotherTab');
  const known = isElsewhere ? t('another') : cause.includes('NoStorage') ? t('noStorage')
    : cause.includes('QuotaExceeded') ? t('full') : why?.message ?? String(why);
  main.before(el('p', { role: 'alert' }, known, isElsewhere ? button(t('here'), () => location.reload()) : ''));
}

async function open(next) {
  state = next;
  document.querySelector('[role=alert]')?.remove();
  await show();
}

async function show() {
  const turn = ++showing;
  const page = { device, kinds, main, open, attempt, signOut };
  await showTop();
  if (turn !== showing || !device) return;
  try {
    if (state.form) showForm(page, state);
    else if (state.view === 'inbox') await showInbox(page);
    else if (state.view === 'history') await showHistory(page, state);
    else if (state.view === 'deleted') await showDeleted(page, state);
    else if (state.view === 'account') await showAccount(page);
    else await showRecords(page, state);
  } catch (why) { complain(why); }
}

async function showTop() {
  const status = await device.status();
  const open_ = status.openConflicts ?? 0;
  document.title = open_ ? `(${open_}) Haumana` : 'Haumana';
  const equal = status.equalAt ? new Date(status.equalAt).toLocaleTimeString() : t('never');
  const item = (view, text) => button(text, () => open(view ? { view } : {}), state.view === view ? { id: `to-${view ?? 'records'}`, 'aria-current': 'page' } : { id: `to-${view ?? 'records'}` });
  const aeroplane = el('input', { type: 'checkbox', id: 'aeroplane', checked: device.isOffline === true, onchange: () => { device.isOffline = aeroplane.checked; device.setOffline(aeroplane.checked); } });
  top.replaceChildren(el('h1', {}, 'Haumana'),
    el('nav', { 'aria-label': 'Haumana' }, item(undefined, t('records')), item('inbox', `${t('inbox')}${open_ ? ` (${open_})` : ''}`), item('account', t('account'))),
    el('span', { className: status.pending ? 'wait' : 'note', id: 'status', role: 'status' },
      `${account} · ${status.phase} · ${status.pending} ${t('waiting')} · ${t('equal')}: ${equal}`),
    el('label', {}, aeroplane, ' ', t('offline')), languages());
}

/** After a change: a form and a text that somebody writes are left alone. */
async function refresh() {
  await showTop();
  const isBusy = state.form || state.view || main.contains(document.activeElement);
  if (!isBusy) await show();
}

// A tab that comes back, and is no longer the writer, reads everything anew.
addEventListener('focus', async () => {
  if (device && !state.form && !(await device.isWriter())) location.reload();
});
if ('serviceWorker' in navigator) navigator.serviceWorker.register('worker.js').catch(() => {});
const name = localStorage.getItem(remembered);
if (name) await attempt(() => signIn(name))();
else showSignIn();
