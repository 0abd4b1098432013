// The versions of a record: who changed what and when, and the way back.

import { el, button } from './dom.js';
import { marked, shown } from './inbox.js';
import { valueOf } from './table.js';
import { t } from './words.js';

export async function showHistory({ device, main, open, attempt }, { kind, id }) {
  const versions = await device.history(kind, id);
  const record = await device.get(kind, id);
  const stages = stagesOf(versions, record?.fields ?? {});
  const detail = el('div', { className: 'card', 'aria-live': 'polite' });
  const slider = el('input', { type: 'range', className: 'version', min: 0, max: Math.max(versions.length - 1, 0), step: 1 });
  slider.value = versions.length - 1;
  const restore = (version) => attempt(async () => { await device.restore(kind, id, version); await open({ kind }); });
  const show = () => {
    const at = versions.length - 1 - Number(slider.value);
    const version = versions[at];
    if (!version) return detail.replaceChildren(t('nothing'));
    const who = version.device ? ` · ${t('device')} ${version.device.slice(0, 8)}` : '';
    const said = `${t('version')} ${version.version} · ${new Date(version.at).toLocaleString()}${who}${version.isDeleted ? ` · ${t('deleted')}` : ''}`;
    slider.setAttribute('aria-valuetext', said);
    detail.replaceChildren(el('h3', {}, said),
      ...version.changed.map(({ field, earlier }) => el('div', {}, el('h4', {}, field), marked(shown(earlier), shown(valueOf(stages[at], field))))),
      version.isDeleted ? '' : button(t('restore'), restore(version.version), { className: 'restore' }));
  };
  slider.oninput = show;
  show();
  main.replaceChildren(el('h2', {}, t('history')), el('label', {}, t('version'), slider), detail,
    button(t('close'), () => open({ kind })));
}

/** The fields as each version left them: from the fields of now back through what each one changed. */
function stagesOf(versions, now) {
  const fields = { ...now };
  return versions.map(({ changed }) => {
    const stage = { ...fields };
    for (const { field, earlier } of changed) fields[field] = earlier;
    return stage;
  });
}
