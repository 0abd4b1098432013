// Records that were deleted, and the way to their history. The device does not keep them: an export
// of the server names them.

import { el, button } from './dom.js';
import { title } from './records.js';
import { t } from './words.js';

export async function showDeleted({ device, kinds, main, open }, { kind: name }) {
  const kind = kinds.find((one) => one.name === name);
  const gone = deletedIn(JSON.parse(await device.export()), kind);
  const list = await Promise.all(gone.map(async (id) => {
    const versions = await device.history(name, id);
    const last = Object.fromEntries((versions[0]?.changed ?? []).map(({ field, earlier }) => [field, earlier]));
    return el('li', {}, button(`${kind.name === 'session' && last.startedAt ? new Date(last.startedAt).toLocaleString() : title(kind, last)} · ${new Date(versions[0]?.at ?? 0).toLocaleString()}`, () => open({ view: 'history', kind: name, id })));
  }));
  main.replaceChildren(el('h2', {}, t('undelete')),
    el('ul', { className: 'list' }, ...(list.length ? list : [el('li', { className: 'note' }, t('nothing'))])),
    button(t('close'), () => open({ kind: name })));
}

function deletedIn(exported, kind) {
  const all = exported.tombstones ?? [];
  return all.filter((one) => one.kind === kind.name).map((one) => one.id);
}
