// What runs inside TensorBoard's pages. Its older pages nest their elements in shadow roots, so every search goes
// through them. Each function takes the name of the page first.

const CARDS = {
  timeseries: 'card-view',
  scalars: 'tf-scalar-card',
  images: 'tf-image-loader',
  histograms: 'tf-histogram-loader',
  distributions: 'tf-distribution-loader',
  text: 'tf-text-loader',
};

function* below(root) {
  for (const element of root.querySelectorAll('*')) {
    yield element;
    if (element.shadowRoot) yield* below(element.shadowRoot);
  }
  if (root.shadowRoot) yield* below(root.shadowRoot);
}

const all = (root, selector) => [...below(root)].filter((element) => element.matches(selector));
const text = (root, selector) => all(root, selector).map((element) => element.textContent.trim())[0] ?? '';
const shown = (element) => element.getClientRects().length > 0;

function expand(page) {
  if (page === 'timeseries') {
    for (const button of all(document, 'metrics-card-group-toolbar button.group-toolbar'))
      if (all(button, 'mat-icon[data-mat-icon-name=expand_more_24px]').length) button.click();
  } else {
    for (const group of all(document, 'tf-category-paginated-view'))
      if (group.category?.items?.length && !group.opened) all(group, 'button.heading')[0]?.click();
  }
}

// Cards that have a place on the page; a filter of Time Series hides the others.
function elements(page) {
  return all(document, CARDS[page]).filter(shown);
}

function identity(page, card) {
  if (page !== 'timeseries') return [text(card, '[itemprop=tag]'), text(card, '[itemprop=run]')];
  const tag = all(card, 'tb-truncated-path').map((path) => path.title)[0] ?? '';
  const overlays = all(card, 'scalar-card-component').length > 0;
  return [tag, overlays ? '' : text(card, 'card-run-name')];
}

// [tag, run] of every card; run is '' where a card overlays all runs. A card of Time Series gets its contents when it
// is first seen: each call brings one such card into view.
function expandedCards(page) {
  expand(page);
  const found = elements(page);
  const known = found.map((card) => identity(page, card));
  found[known.findIndex(([tag]) => !tag)]?.scrollIntoView({block: 'start'});
  return known.filter(([tag]) => tag);
}

// What a chart of the page draws its values with. A single value is a dot. (The `ghost` of a smoothed line may lie
// outside of the picture, and then has no path.)
const STROKES = {
  timeseries: 'tb-histogram path',
  scalars: '.line-plot:not(.ghost) path.line, .scatter-plot path.symbol',
  histograms: 'path.outline',
  distributions: '.area-plot path.area',
};

function stroked(path) {
  const way = path.getAttribute('d') ?? '';
  return way.length > 10 && !way.includes('NaN');
}

function painted(canvas) {
  const copy = document.createElement('canvas');
  if (!canvas.width || !canvas.height) return false;
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext('2d');
  context.drawImage(canvas, 0, 0);
  return context.getImageData(0, 0, copy.width, copy.height).data.some((byte) => byte !== 0);
}

function drawn(page, card) {
  const images = all(card, 'img');
  if (images.length) return images.every((image) => image.complete && image.naturalWidth > 0);
  if (page === 'text') return all(card, 'paper-material.text').some((markdown) => text(markdown, '#markdown'));
  const paths = all(card, STROKES[page]);
  return paths.length ? paths.every(stroked) : all(card, 'canvas').some(painted);
}

// The cards that do not show their value, and what they are made of. Cards load when they are seen: each call brings
// one such card into view.
function blank(page) {
  const found = elements(page).filter((card) => !drawn(page, card));
  found[0]?.scrollIntoView({block: 'center'});
  return found.map((card) => [identity(page, card), parts(card)]);
}

function parts(card) {
  const count = {};
  for (const part of below(card)) count[part.localName] = (count[part.localName] ?? 0) + 1;
  return count;
}

function toasts() {
  return all(document, "mat-snack-bar-container, paper-toast").filter(shown).map((toast) => toast.textContent.trim());
}

// Ticks what a visitor would tick to see more.
function arrange(page) {
  const tick = (dashboard, label, wanted) => {
    const boxes = all(document, dashboard).flatMap((element) => all(element, 'paper-checkbox'));
    const box = boxes.find((candidate) => candidate.textContent.trim() === label);
    if (box && box.checked !== wanted) box.click();
  };
  if (page === 'images') tick('tf-image-dashboard', 'Show actual image size', true);
  if (page === 'scalars') tick('tf-scalar-dashboard', 'Ignore outliers in chart scaling', false);
}

// Back to the top, as a visitor finds the page.
function rest() {
  for (const element of below(document)) if (element.scrollTop) element.scrollTop = 0;
  document.activeElement?.blur();
}

function count(page) {
  return elements(page).length;
}
