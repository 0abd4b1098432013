// Records that were deleted, and the way to their history. The device does not keep them: an export
// of the server names them.

import { el, button } from './dom.js';
import { title } from './records.js';
import { t } from './words.js';

export async function showDeleted({ device, kinds, main, open }, { kind: name }) {
  const kind = kinds.find((one) => one.name === name);
  const exported = JSON.parse(await device.export());
  const last = lastIn(exported, kind);
  const list = deletedIn(exported, kind).map(({ id, modifiedAt }) => {
    const fields = last.get(id)?.value ?? {};
    const called = kind.name === 'session' && fields.startedAt ? new Date(fields.startedAt).toLocaleString() : title(kind, fields);
    return el('li', {}, button(`${called} · ${new Date(modifiedAt).toLocaleString()}`, () => open({ view: 'history', kind: name, id })));
  });
  main.replaceChildren(el('h2', {}, t('undelete')),
    el('ul', { className: 'list' }, ...(list.length ? list : [el('li', { className: 'note' }, t('nothing'))])),
    button(t('close'), () => open({ kind: name })));
}

function deletedIn({ tombstones = [] }, kind) {
  return tombstones.filter((one) => one.kind === kind.name);
}

/** The last version of each record that was not a delete, by its id. */
function lastIn({ history = [] }, kind) {
  const last = new Map();
  for (const one of history) {
    const isLater = one.kind === kind.name && !one.side && !one.deleted && !(one.version < last.get(one.id)?.version);
    if (isLater) last.set(one.id, one);
  }
  return last;
}
