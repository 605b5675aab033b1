// The 300 products that everyone starts with: the same on every machine, by formula.
// They are kept in memory: nobody writes them, so every replica has the same.

const WORDS = ['Oak', 'Pine', 'Walnut', 'Steel', 'Brass', 'Copper', 'Linen', 'Cotton', 'Wool', 'Leather',
  'Glass', 'Marble', 'Slate', 'Cork', 'Bamboo', 'Rattan', 'Enamel', 'Ceramic', 'Velvet', 'Canvas'];
const THINGS = [
  ['chair', 'furniture'], ['table', 'furniture'], ['shelf', 'furniture'], ['bench', 'furniture'], ['stool', 'furniture'],
  ['lamp', 'light'], ['lantern', 'light'], ['candlestick', 'light'], ['bowl', 'kitchen'], ['jar', 'kitchen'],
  ['tray', 'kitchen'], ['mug', 'kitchen'], ['basket', 'storage'], ['box', 'storage'], ['crate', 'storage'],
];

export const products = THINGS.flatMap(([thing, category], row) => WORDS.map((word, column) => {
  const id = row * WORDS.length + column + 1;
  return { id, name: `${word} ${thing}`, category, price_cents: 495 + ((id * 7919) % 195) * 100 };
}));
