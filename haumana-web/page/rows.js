// A list that has only the rows in its page that somebody sees, and some above and below: 10,000 rows
// take as long as 50.

import { el } from './dom.js';

/** The height of a row, as style.css has it. */
const ROW_REM = 2.8;
/** How many rows are there beyond those that are seen, so that a key or a short scroll finds them. */
const BEYOND = 30;

/** How a row of a list says which one of how many it is. */
const inList = (at, count) => ({ 'aria-setsize': count, 'aria-posinset': at + 1 });

/** Shows items as rows of `list`; `draw` makes what is in the row of one, and `said` what is in the only
 * row of what is said instead. Each row is a `tag` with `attributes`, of its place and the number of all. */
export function rowsOf(list, draw, tag = 'li', attributes = inList, said = (text) => text) {
  let items = [];
  /** The rows that are there, by their place. */
  const there = new Map();

  const fit = () => {
    if (!list.isConnected) return stop();
    const height = ROW_REM * parseFloat(getComputedStyle(document.documentElement).fontSize);
    const top = -list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / height) - BEYOND);
    const end = Math.min(items.length, Math.max(first, Math.ceil((top + innerHeight) / height) + BEYOND));
    list.style.height = `${items.length * height}px`;
    for (const [at, row] of there) {
      // Who has the focus keeps it, however far they scroll.
      if ((first <= at && at < end) || row.contains(document.activeElement)) continue;
      row.remove();
      there.delete(at);
    }
    for (let at = first; at < end; at++) if (!there.has(at)) add(at, height);
  };

  const add = (at, height) => {
    const row = el(tag, attributes(at, items.length), ...[draw(items[at])].flat());
    row.style.top = `${at * height}px`;
    there.set(at, row);
    // In order, for the keyboard and for readers.
    let before = at - 1;
    while (0 <= before && at - 2 * BEYOND < before && !there.has(before)) before--;
    const after = there.get(before);
    if (after) after.after(row);
    else list.prepend(row);
  };

  const clear = () => {
    there.clear();
    list.replaceChildren();
  };
  // Also when what is around the list is scrolled, not the page.
  const stop = () => ['scroll', 'resize'].forEach((event) => removeEventListener(event, fit, true));
  ['scroll', 'resize'].forEach((event) => addEventListener(event, fit, true));
  return {
    show: (next) => {
      clear();
      items = next;
      list.classList.add('rows');
      fit();
    },
    /** Says something in place of rows. */
    say: (text) => {
      clear();
      items = [];
      list.classList.remove('rows');
      list.style.height = '';
      list.append(el(tag, { className: 'note' }, said(text)));
    },
  };
}
