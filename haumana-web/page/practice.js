// The practice log: start, stop, mend and delete. It is there where the schema has the pieces and
// sessions of the repertoire; any other schema's kinds have the forms that all kinds have.

import { el, button, redraw } from './dom.js';
import { t } from './words.js';

const FIELDS = ['pieceId', 'startedAt', 'endedAt', 'endedAtSource'];
const MINUTE_MS = 60_000;
/** What is longer looks like a session that somebody forgot to end. */
const LONG_MS = 12 * 60 * MINUTE_MS;
/** LIMIT: how many sessions are drawn, newest first. */
const SHOWN = 500;

/** Whether the schema has a practice log. */
export const hasLog = (kinds) => {
  const session = kinds.find(({ name }) => name === 'session');
  const has = (field) => session?.fields.some(({ name }) => name === field);
  return kinds.some(({ name }) => name === 'piece') && FIELDS.every(has);
};

/** All sessions, of all pieces. */
export async function showPractice(page) {
  const log = practiceLog(page);
  await log.refresh();
  page.main.replaceChildren(el('h2', {}, t('practice')), log.element,
    el('div', { className: 'row' }, button(t('undelete'), () => page.open({ view: 'deleted', kind: 'session' }), { className: 'deleted' })));
  return log;
}

/** The log of one piece, or of all: an element, and what draws it anew. */
export function practiceLog({ device, attempt }, piece) {
  const element = el('section', { className: 'practice', 'aria-label': t('practice') });
  let drawn, mended;

  const refresh = async () => {
    const sessions = (await device.list('session')).filter(({ fields }) => !piece || fields.pieceId === piece);
    const titles = piece ? {} : Object.fromEntries((await device.list('piece')).map(({ id, fields }) => [id, fields.title || t('untitled')]));
    const now = JSON.stringify([sessions, titles]);
    // What somebody mends is left alone.
    if (mended || now === drawn) return;
    drawn = now;
    sessions.sort((a, b) => (a.fields.startedAt < b.fields.startedAt ? 1 : -1));
    const isRunning = sessions.some(({ fields }) => !fields.endedAt);
    const rows = sessions.slice(0, SHOWN).map((one) => row(one, titles));
    redraw(element, piece ? el('h3', {}, t('practice')) : '',
      piece && !isRunning ? button(t('start'), start, { className: 'start' }) : '',
      el('ul', { className: 'sessions' }, ...(rows.length ? rows : [el('li', { className: 'note' }, t('nothing'))])),
      SHOWN < sessions.length ? el('p', { className: 'note' }, `+ ${sessions.length - SHOWN}`) : '');
  };
  const again = async (focus) => { [drawn, mended] = []; await refresh(); element.querySelector(focus)?.focus(); };

  const start = attempt(async () => {
    await device.add('session', { pieceId: piece, startedAt: new Date().toISOString() });
    await again('.stop');
  });

  const row = ({ id, fields, isPending, refused, explanation }, titles) => {
    const stop = attempt(async () => { await device.edit('session', id, ending(new Date(Math.max(Date.now(), Date.parse(fields.startedAt))))); await again('.start'); });
    const remove = attempt(async () => { await device.delete('session', id); await again('button'); });
    const mend = () => { mended = id; item.replaceChildren(mending(id, fields)); item.querySelector('input').focus(); };
    const said = [piece ? '' : titles[fields.pieceId] ?? t('untitled'), words(fields), isPending ? t('waits') : '', refused ? explanation ?? refused : ''];
    const item = el('li', { className: 'session' }, el('span', {}, said.filter((part) => part).join(' · ')),
      fields.endedAt ? '' : button(t('stop'), stop, { className: 'stop' }),
      button(t('mend'), mend, { className: 'mend' }), button(t('remove'), remove, { className: 'remove-session' }));
    item.dataset.row = id;
    return item;
  };

  const mending = (id, fields) => {
    const start = timeInput(fields.startedAt, 'started'), end = timeInput(fields.endedAt, 'ended');
    const said = el('p', { role: 'alert', className: 'clash', hidden: true });
    let insisted;
    const save = attempt(async () => {
      const [from, to] = [start.read(), end.read()];
      const doubt = doubtOf(from, to, Date.now());
      const what = `${from} ${to}`;
      if (doubt && (doubt.isFinal || insisted !== what)) {
        [said.hidden, said.textContent, insisted] = [false, doubt.words, what];
        return;
      }
      const edited = { ...(start.isTouched() && { startedAt: from }), ...(end.isTouched() && (to ? ending(new Date(to)) : { endedAt: null, endedAtSource: null })) };
      if (Object.keys(edited).length) await device.edit('session', id, edited);
      await again(`[data-row="${id}"] .mend`);
    });
    return el('div', {}, start.label, end.label, said, el('div', { className: 'row' },
      button(t('save'), save, { className: 'main save-session' }), button(t('close'), () => again(`[data-row="${id}"] .mend`))));
  };

  return { element, refresh };
}

/** An end that a person says. */
const ending = (at) => ({ endedAt: at.toISOString(), endedAtSource: 'manual' });

/** What looks wrong about times; what `isFinal` is refused, and the rest is asked back. */
function doubtOf(from, to, now) {
  if (!from) return { isFinal: true, words: t('noStart') };
  const [start, end] = [Date.parse(from), to ? Date.parse(to) : now];
  if (to && end < start) return { isFinal: true, words: t('endsFirst') };
  if (LONG_MS < end - start) return { isFinal: false, words: t('long') };
  // The clocks of two devices differ by minutes.
  return now + 10 * MINUTE_MS < Math.max(start, end) ? { isFinal: false, words: t('future') } : undefined;
}

/** When a session was, and how long. */
function words({ startedAt, endedAt }) {
  const when = new Date(startedAt).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
  if (!endedAt) return `${when} · ${t('running')}`;
  const minutes = Math.floor((Date.parse(endedAt) - Date.parse(startedAt)) / MINUTE_MS);
  return `${when} · ${minutes < 120 ? '' : `${Math.floor(minutes / 60)} h `}${minutes < 120 ? minutes : minutes % 60} min`;
}

/** A time of this place. One that nobody changes keeps its milliseconds. */
function timeInput(at, name) {
  const local = at ? new Date(Date.parse(at) - new Date(at).getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 19) : '';
  const input = el('input', { type: 'datetime-local', step: 1, name, value: local });
  const shown = input.value;
  const isTouched = () => input.value !== shown;
  const read = () => (!isTouched() ? at ?? null : input.value ? new Date(input.value).toISOString() : null);
  return { isTouched, read, label: el('label', {}, t(name), input) };
}
