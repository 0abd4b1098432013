// Elements of the page; text is always text, never HTML.

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== 'list') element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export const button = (text, onclick, properties = {}) => el('button', { type: 'button', onclick, ...properties }, text);
