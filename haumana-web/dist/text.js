// Text as people search and compare it.

/** Without ʻokina, kahakō and case. */
export const plain = (text) =>
  text.normalize('NFD').replace(/[\u0300-\u036f\u02bb\u02bc\u2018\u2019'`]/g, '').toLowerCase();

/** Which words of `b` are not in `a`, by a longest common subsequence: [word, isNew] in order. */
export function compared(a, b) {
  const [x, y] = [a, b].map((text) => text.split(/(\s+)/));
  // LIMIT: the table is the product of both; longer texts are shown without marks.
  if (x.length * y.length > 4_000_000) return [[b, false]];
  const row = y.length + 1;
  const table = new Uint32Array((x.length + 1) * row);
  for (let i = x.length - 1; i >= 0; i--)
    for (let j = y.length - 1; j >= 0; j--)
      table[i * row + j] =
        x[i] === y[j] ? table[(i + 1) * row + j + 1] + 1 : Math.max(table[(i + 1) * row + j], table[i * row + j + 1]);
  const marked = [];
  for (let i = 0, j = 0; j < y.length; ) {
    if (i < x.length && x[i] === y[j]) marked.push([y[j++], false]), i++;
    else if (i < x.length && table[(i + 1) * row + j] >= table[i * row + j + 1]) i++;
    else marked.push([y[j++], true]);
  }
  return marked;
}
