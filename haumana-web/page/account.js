// Everything of an account at once: export, import, devices, erase.

import { el, button } from './dom.js';
import { t } from './words.js';

export async function showAccount({ device, main, attempt, open, signOut }) {
  const status = await device.status();
  const exported = attempt(async () => {
    const url = URL.createObjectURL(new Blob([await device.export()], { type: 'application/json' }));
    el('a', { href: url, download: 'haumana.json' }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });
  const file = el('input', { type: 'file', accept: 'application/json' });
  const imported = attempt(async () => {
    if (!file.files.length) throw new Error(t('noFile'));
    await device.import(await file.files[0].text());
    open({});
  });
  const word = el('input', { className: 'word', autocomplete: 'off' });
  const erase = attempt(async () => { if (word.value === 'ERASE') { await device.erase(); signOut(); } });
  const others = el('div', { 'aria-live': 'polite' });
  // Not at once: the server sends an export for it.
  const devices = attempt(async () => others.replaceChildren(...table(devicesIn(JSON.parse(await device.export())), status.device)));
  main.replaceChildren(
    el('h2', {}, t('account')),
    el('p', {}, `${t('device')} ${status.device}`),
    el('div', { className: 'row' }, button(t('export'), exported, { className: 'export' }),
      button(t('devices'), devices, { className: 'devices' }), button(t('signOut'), signOut)),
    others,
    el('label', {}, t('import'), file), button(t('import'), imported, { className: 'import' }),
    el('label', {}, t('eraseHow'), word), button(t('erase'), erase, { className: 'erase' }));
}

/** The devices that have changed something, latest first: what is shown now names the device of its
 * last change, and the history the devices of the versions before. */
export function devicesIn(exported) {
  const seen = new Map();
  const see = (name, at) => {
    if (!name) return;
    const { last = at, count = 0 } = seen.get(name) ?? {};
    seen.set(name, { last: last < at ? at : last, count: count + 1 });
  };
  for (const one of exported.history ?? []) if (!one.side) see(one.deviceId, one.at);
  const lists = [exported.pieces, exported.practiceSessions, exported.records, exported.tombstones];
  for (const one of lists.flatMap((list) => list ?? [])) see(one._haumana?.device ?? one.deviceId, one.modifiedAt ?? one.at);
  return [...seen].sort(([, a], [, b]) => (a.last < b.last ? 1 : -1));
}

function table(devices, own) {
  const row = ([name, { last, count }]) => el('tr', {},
    el('th', { scope: 'row' }, name.slice(0, 8) + (name === own ? ` (${t('thisOne')})` : '')),
    el('td', {}, new Date(last).toLocaleString()), el('td', {}, String(count)));
  const head = ['device', 'seen', 'changes'].map((key) => el('th', { scope: 'col' }, t(key)));
  return [el('p', { className: 'note' }, t('devicesHow')),
    el('table', { className: 'seen' }, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...devices.map(row)))];
}
