"""What a page in a browser is asked: whether texts lie on one another, and whether every series is named and apart."""

OVERLAPS = """
(() => {
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const own = node.parentElement;
    if (!node.data.trim() || own.closest('.sr, .skip, script, style, title')) continue;
    const frame = own.closest('.scroll')?.getBoundingClientRect();
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const r of range.getClientRects()) {
      const left = Math.max(r.left, frame ? frame.left : r.left);
      const right = Math.min(r.right, frame ? frame.right : r.right);
      const text = node.data.trim().slice(0, 40);
      if (right - left > 1 && r.height > 1) boxes.push({left, right, top: r.top, bottom: r.bottom, text});
    }
  }
  boxes.sort((a, b) => a.top - b.top);
  const found = [];
  boxes.forEach((a, place) => {
    for (const b of boxes.slice(place + 1)) {
      if (b.top >= a.bottom) break;
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 2 && high > 4) found.push([a.text, b.text, Math.round(wide), Math.round(high)]);
    }
  });
  return JSON.stringify({texts: boxes.length, found: found.slice(0, 8)});
})()
"""
"""Texts that lie on one another: their boxes share more than a hair's breadth."""
SERIES = """
JSON.stringify([...document.querySelectorAll('.panel')].map(panel => ({
  title: panel.querySelector('figcaption b').textContent,
  named: [...panel.querySelectorAll('.legend li')].map(one => one.textContent.trim()),
  shown: [...panel.querySelectorAll('.legend line')].map(one => getComputedStyle(one).stroke),
  drawn: [...panel.querySelectorAll('g[class^=series-] > path')].map(one => getComputedStyle(one).stroke),
  strokes: [...panel.querySelectorAll('g[class^=series-] > path')].map(one => one.getAttribute('stroke-dasharray')),
  heard: panel.querySelector('svg.chart').getAttribute('aria-label'),
})))
"""
"""Each chart's series: their names, the legend's colours, the colours and strokes that are drawn, what is heard."""
