// Elements of the page; text is always text, never HTML.

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== 'list') element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

export const button = (text, onclick, properties = {}) => el('button', { type: 'button', onclick, ...properties }, text);

/** Replaces what is in `place`. Who had the focus in it has it again, in the same `data-row`. */
export function redraw(place, ...children) {
  const had = place.contains(document.activeElement) ? document.activeElement : undefined;
  const row = had?.closest('[data-row]')?.dataset.row;
  place.replaceChildren(...children);
  const within = (row && place.querySelector(`[data-row="${row}"]`)) ?? place;
  if (had) within.querySelector(`[class="${had.className}"]`)?.focus();
}
