// What runs inside TensorBoard's pages. Its older pages nest their elements in shadow roots, and the projector lies in
// frames, so every search goes through them. Each function takes the name of the page first.

const CARDS = {
  timeseries: 'card-view',
  scalars: 'tf-scalar-card',
  images: 'tf-image-loader',
  histograms: 'tf-histogram-loader',
  distributions: 'tf-distribution-loader',
  text: 'tf-text-loader',
  audio: 'tf-audio-loader',
  pr_curves: 'tf-pr-curve-card',
  custom_scalars: 'tf-custom-scalar-multi-line-chart-card, tf-custom-scalar-margin-chart-card',
  mesh: 'tf-mesh-loader',
  hparams: 'vaadin-grid-cell-content',
  graphs: 'svg#svg g.node',
  projector: 'vz-projector-data-panel',
};

function* below(root) {
  for (const element of root.querySelectorAll('*')) {
    yield element;
    if (element.shadowRoot) yield* below(element.shadowRoot);
    if (element.contentDocument) yield* below(element.contentDocument);
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

// Cards that have a place on the page; a filter of Time Series hides the others. The page HParams has cells instead,
// Graphs the nodes of one graph, and the projector one tensor.
function elements(page) {
  // Edges into an opened box end at nodes without a look.
  const found = all(document, CARDS[page]).filter((card) => shown(card) && !card.dataset.name?.includes('~~'));
  return page === 'hparams' ? found.filter((cell) => isValue(found, cell)) : found;
}

// Elements that are as high or as far right as another.
const inLine = (cells, cell, edge) =>
  cells.filter((other) => Math.abs(other.getBoundingClientRect()[edge] - cell.getBoundingClientRect()[edge]) < 1);
const first = (cells, edge) =>
  cells.reduce((one, two) => (two.getBoundingClientRect()[edge] < one.getBoundingClientRect()[edge] ? two : one));
const column = (cells, cell) => first(inLine(cells, cell, 'left'), 'top').textContent.trim();
const row = (cells, cell) => first(inLine(cells, cell, 'top'), 'left').textContent.trim();

// Neither a heading nor a name nor an empty cell.
function isValue(cells, cell) {
  const [tag, group] = [column(cells, cell), row(cells, cell)];
  return cell.textContent.trim() && group !== 'Trial ID' && !['Trial ID', 'Show Metrics'].includes(tag);
}

function identity(page, card) {
  const cells = page === 'hparams' ? all(document, CARDS.hparams).filter(shown) : [];
  const special = {
    timeseries: () => cardOfTimeSeries(card),
    custom_scalars: () => [card.title, ''],
    mesh: () => [card.tag, card.run],
    hparams: () => [column(cells, card), row(cells, card)],
    graphs: () => [card.dataset.name, ''],
    projector: () => [sizeOfTensor(card), card.selectedRun],
  };
  return special[page]?.() ?? [text(card, '[itemprop=tag]'), text(card, '[itemprop=run]')];
}

function cardOfTimeSeries(card) {
  const tag = all(card, 'tb-truncated-path').map((path) => path.title)[0] ?? '';
  const overlays = all(card, 'scalar-card-component').length > 0;
  return [tag, overlays ? '' : text(card, 'card-run-name')];
}

// As the page tells it beside the tensor's name.
function sizeOfTensor(panel) {
  const [points, columns] = ['.numDataPoints', '.dim'].map((count) => text(document, count));
  return panel.selectedTensor ? `${panel.selectedTensor}, ${points} x ${columns}` : '';
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
  pr_curves: '.line-plot:not(.ghost) path.line',
  custom_scalars: '.line-plot:not(.ghost) path.line, path.area',
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
  if (page === 'hparams') return true; // its text was seen
  if (page === 'graphs') return all(card, '.nodeshape *').some(shown) && text(card, 'text.nodelabel') !== '';
  if (page === 'audio') return all(card, 'audio').some((clip) => clip.duration > 0 && !clip.error);
  if (page === 'mesh' || page === 'projector') return true; // their canvas can only be seen from outside
  const images = all(card, 'img');
  if (images.length) return images.every((image) => image.complete && image.naturalWidth > 0);
  if (page === 'text') return all(card, 'paper-material.text').some((markdown) => text(markdown, '#markdown'));
  const paths = all(card, STROKES[page]);
  return paths.length ? paths.every(stroked) : all(card, 'canvas').some(painted);
}

// The cards that have not shown their value yet, and what they are made of. Cards load when they are seen: each call
// brings one such card into view. What was drawn once counts: of more charts than it has canvases for, the browser
// forgets those that were seen first.
function blank(page, withParts) {
  const found = elements(page).filter((card) => {
    if (!card.dataset.wasDrawn && drawn(page, card)) card.dataset.wasDrawn = 'yes';
    return !card.dataset.wasDrawn;
  });
  found[0]?.scrollIntoView({block: 'start'});
  return withParts ? found.map((card) => [identity(page, card), parts(card)]) : found.length;
}

// Where on the screen the canvas of a card is, which is brought into view: left, top, right, bottom.
function canvas(page, index) {
  const inside = page === 'projector' ? '#container canvas, canvas' : 'canvas';
  const found = all(page === 'projector' ? document : elements(page)[index], inside).filter(shown)[0];
  found?.scrollIntoView({block: 'start'});
  const area = found?.getBoundingClientRect();
  if (!area) return null;
  let [left, top] = [area.left, area.top];
  for (let view = found.ownerDocument.defaultView; view.frameElement; view = view.parent) {
    const frame = view.frameElement.getBoundingClientRect();
    [left, top] = [left + frame.left, top + frame.top];
  }
  const [right, bottom] = [Math.min(left + area.width, innerWidth), Math.min(top + area.height, innerHeight)];
  return [left, top, right, bottom].map(Math.round);
}

// Makes a page that shows one thing at a time show this one.
function choose(page, run, tag) {
  if (page === 'graphs') {
    for (const name of [run, tag ?? 'Default']) {
      const items = all(document, 'tf-graph-controls').flatMap((controls) => all(controls, 'paper-item'));
      items.find((item) => item.textContent.trim() === name)?.click();
    }
  }
  if (page === 'projector') {
    const [panel, tensor] = [elements(page)[0], tag.replace(/, \d+ x \d+$/, '')]; // without its size
    if (!panel?.selectedTensor) return; // it has not yet chosen its first one
    if (panel.selectedRun !== run) panel.selectedRun = run;
    else if (panel.selectedTensor !== tensor) panel.selectedTensor = tensor;
  }
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
  if (page === 'custom_scalars') tick('tf-custom-scalar-dashboard', 'Ignore outliers in chart scaling', false);
  // Opens the boxes of the top level.
  if (page === 'graphs') {
    for (const box of elements(page).filter((node) => node.classList.contains('meta')))
      all(box, '.nodeshape rect')[0]?.dispatchEvent(new MouseEvent('dblclick', {bubbles: true, composed: true}));
  }
}

// Back to the top, as a visitor finds the page.
function rest(page) {
  if (page === 'graphs') {
    const buttons = all(document, 'tf-graph-controls').flatMap((controls) => all(controls, 'paper-button'));
    buttons.find((button) => button.textContent.trim() === 'Fit to screen')?.click();
  }
  for (const element of below(document)) if (element.scrollTop) element.scrollTop = 0;
  document.activeElement?.blur();
}

// Selects a node of the graph, which opens the boxes around it.
function select(page, name) {
  for (const graph of all(document, 'tf-graph')) graph.set('selectedNode', name);
}

// Zooms in on a node, as the wheel of a mouse does. False where the node is not shown.
function approach(page, name) {
  const node = elements(page).find((candidate) => candidate.dataset.name === name);
  if (!node) return false;
  const {left, top, width, height} = node.getBoundingClientRect();
  const [clientX, clientY] = [left + width / 2, top + height / 2];
  const wheel = {deltaY: -750, clientX, clientY, bubbles: true, composed: true, cancelable: true};
  node.dispatchEvent(new WheelEvent('wheel', wheel));
  return true;
}

function count(page) {
  return elements(page).length;
}
