// A device in a place of the page: what is said of its sync, and the view that is open.

import { showAccount } from './account.js';
import { showDeleted } from './deleted.js';
import { el, button, redraw } from './dom.js';
import { showHistory } from './history.js';
import { showInbox } from './inbox.js';
import { hasLog, showPractice } from './practice.js';
import { showForm, showRecords } from './records.js';
import { explain, said, t } from './words.js';

/** Shows `device` in `top` and `main`. `name` heads it, `home` is the state it begins with, `fields` are
 * the fields of its forms (all, if they are not named), and `onCount` hears how many conflicts are open. */
export function openPane({ device, kinds, top, main, name, account, home = async (next) => next, fields, signOut, onCount, beside = () => [] }) {
  let state = {}, shown, latest, showing = 0, isClosed = false;

  /** A handler that says what went wrong. A second press while it is at work is the same press. */
  const attempt = (work) => {
    let isBusy = false;
    return async () => {
      if (isBusy) return;
      isBusy = true;
      try { await work(); } catch (why) { complain(why); } finally { isBusy = false; }
    };
  };

  function complain(why) {
    main.parentElement.querySelector(':scope > [role=alert]')?.remove();
    const isElsewhere = String(why?.message).includes('AnotherTab');
    const known = isElsewhere ? t('another') : explain(why);
    main.before(el('p', { role: 'alert' }, known, isElsewhere ? button(t('here'), () => location.reload()) : ''));
  }

  async function open(next) {
    main.parentElement.querySelector(':scope > [role=alert]')?.remove();
    const had = main.contains(document.activeElement);
    state = next.view || next.form ? next : await home(next);
    await show();
    // What had the focus is gone: a keyboard goes on in the new view.
    if (had && document.activeElement === document.body) main.focus({ preventScroll: true });
  }

  /** Draws the view that is open. One that is drawn meanwhile counts instead. */
  function show() {
    latest = draw(++showing);
    return latest;
  }

  async function draw(turn) {
    const isLatest = () => turn === showing;
    const place = { replaceChildren: (...children) => isLatest() && main.replaceChildren(...children) };
    const page = { device, kinds, main: place, open, attempt, fields, signOut };
    await showTop();
    if (!isLatest()) return latest;
    shown = undefined;
    try {
      const drawn = await view(page);
      if (isLatest()) shown = drawn;
    } catch (why) { if (isLatest()) complain(why); }
    return isLatest() ? undefined : latest;
  }

  /** Draws a view. Those that can take up what changes while they are open return how. */
  function view(page) {
    if (state.form) return showForm(page, state);
    if (state.view === 'inbox') return showInbox(page);
    if (state.view === 'history') return showHistory(page, state);
    if (state.view === 'deleted') return showDeleted(page, state);
    if (state.view === 'account') return showAccount(page);
    return isPractice() ? showPractice(page) : showRecords(page, state);
  }

  /** The kind of sessions is shown as the practice log. */
  const isPractice = () => state.kind === 'session' && hasLog(kinds);

  async function showTop() {
    const status = await device.status();
    if (isClosed) return;
    const open_ = status.openConflicts ?? 0;
    onCount?.(open_);
    const equal = status.equalAt ? new Date(status.equalAt).toLocaleTimeString() : t('never');
    const current = state.view ?? (isPractice() ? 'practice' : 'records');
    const item = (view, text, next) => button(text, () => open(next),
      { className: `to-${view}`, ...(current === view && { 'aria-current': 'page' }) });
    const aeroplane = el('input', { type: 'checkbox', className: 'aeroplane', checked: device.isOffline(), onchange: () => device.setOffline(aeroplane.checked) });
    const items = [item('records', t('records'), {}), item('inbox', `${t('inbox')}${open_ ? ` (${open_})` : ''}`, { view: 'inbox' })];
    if (!fields && hasLog(kinds)) items.push(item('practice', t('practice'), { kind: 'session' }));
    if (signOut) items.push(item('account', t('account'), { view: 'account' }));
    const isErased = status.phase === 'Erased';
    redraw(top, name,
      el('nav', { 'aria-label': name.textContent }, ...items),
      el('span', { className: `status ${status.pending || status.isFull ? 'wait' : 'note'}`, role: 'status' },
        `${account ? `${account} · ` : ''}${status.isFull ? t('fullSync') : status.phase.split(': ').map(said).join(': ')} · ${status.pending} ${t('waiting')} · ${t('equal')}: ${equal}`),
      ...(isErased ? [button(t('forget'), attempt(device.forget), { className: 'forget' }),
        button(t('upload'), attempt(device.uploadAsNew), { className: 'upload' })] : []),
      el('label', {}, aeroplane, ' ', t('offline')), ...beside());
  }

  /** After a change: what somebody writes is left alone, and what they have not touched is as it is now. */
  async function refresh(hasRecords) {
    await showTop();
    if (!hasRecords) return undefined;
    if (shown) return attempt(shown.refresh)();
    if (!state.view && !main.contains(document.activeElement)) await show();
  }

  // What changes while the pane is drawn is drawn once, afterwards.
  let due, isDrawing = false;
  device.onChange(async (hasRecords) => {
    due = Boolean(due || hasRecords);
    if (isDrawing) return;
    isDrawing = true;
    try {
      while (due !== undefined) {
        const now = due;
        due = undefined;
        await refresh(now);
      }
    } finally { isDrawing = false; }
  });
  return { open, attempt, again: () => open(state), isForm: () => Boolean(state.form), close: () => { showing++; isClosed = true; } };
}
