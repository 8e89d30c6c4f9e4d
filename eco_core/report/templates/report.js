"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let redraw = () => {};

  // ---------------------------------------------------------------------------------------------- light and dark
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const showTheme = () => {
    byId("theme").textContent = isDark() ? "Light" : "Dark";
    redraw();
  };
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  dark.addEventListener("change", showTheme);
  showTheme();

  // ------------------------------------------------------------------------------------------------------ the map
  const source = byId("report-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const xy = new Uint16Array(bytes(data.xy));
  const cluster = new Uint32Array(bytes(data.cluster));
  const count = cluster.length;
  const plane = byId("plane"), points = byId("points"), overlay = byId("overlay"), tip = byId("tip");
  const legend = byId("legend");
  const pen = points.getContext("2d"), marker = overlay.getContext("2d");
  const idOf = (node) => (data.ids ? data.ids[node] : String(node));

  // Points by cluster, so that each colour is set once.
  const starts = new Uint32Array(data.clusters.length + 1);
  for (let node = 0; node < count; node++) starts[cluster[node] + 1]++;
  for (let place = 0; place < data.clusters.length; place++) starts[place + 1] += starts[place];
  const members = new Uint32Array(count), next = starts.slice();
  for (let node = 0; node < count; node++) members[next[cluster[node]]++] = node;

  // A grid over the map finds the nearest point without looking at all of them.
  const GRID = Math.max(4, Math.min(256, Math.ceil(Math.sqrt(count / 4))));
  const cellOf = (value) => Math.min(GRID - 1, Math.floor((value / 65536) * GRID));
  const cellStarts = new Uint32Array(GRID * GRID + 1);
  const cell = (node) => cellOf(xy[2 * node + 1]) * GRID + cellOf(xy[2 * node]);
  for (let node = 0; node < count; node++) cellStarts[cell(node) + 1]++;
  for (let place = 0; place < GRID * GRID; place++) cellStarts[place + 1] += cellStarts[place];
  const inCells = new Uint32Array(count), nextInCell = cellStarts.slice();
  for (let node = 0; node < count; node++) inCells[nextInCell[cell(node)]++] = node;

  let width = 0, height = 0, ratio = 1, zoom = 1, panX = 0, panY = 0, alone = -1, hovered = -1;
  const fit = () => Math.min(width, height) - 24;
  const scale = () => (fit() / 65535) * zoom;
  const screenX = (value) => width / 2 + panX + (value - 32767.5) * scale();
  const screenY = (value) => height / 2 + panY - (value - 32767.5) * scale();
  const radius = () => Math.max(0.8, Math.min(4.5, 130 / Math.sqrt(count + 400))) * Math.min(2.2, Math.sqrt(zoom));

  const drawCluster = (place, color, alpha) => {
    const r = radius();
    pen.fillStyle = color;
    pen.globalAlpha = alpha;
    const round = r > 1.4 && starts[place + 1] - starts[place] < 30000;
    pen.beginPath();
    for (let at = starts[place]; at < starts[place + 1]; at++) {
      const node = members[at], x = screenX(xy[2 * node]), y = screenY(xy[2 * node + 1]);
      if (x < -5 || y < -5 || x > width + 5 || y > height + 5) continue;
      if (round) {
        pen.moveTo(x + r, y);
        pen.arc(x, y, r, 0, 6.2832);
      } else {
        pen.rect(x - r, y - r, 2 * r, 2 * r);
      }
    }
    pen.fill();
  };
  const draw = () => {
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const grey = isDark() ? "#3a4453" : "#d3d9e1";
    for (let place = 0; place < data.clusters.length; place++) {
      if (alone >= 0 && place !== alone) drawCluster(place, grey, 0.55);
    }
    for (let place = 0; place < data.clusters.length; place++) {
      if (alone < 0 || place === alone) drawCluster(place, data.clusters[place].color, count > 20000 ? 0.7 : 0.85);
    }
    pen.globalAlpha = 1;
    mark();
  };
  let waiting = false;
  redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };

  const mark = () => {
    marker.setTransform(ratio, 0, 0, ratio, 0, 0);
    marker.clearRect(0, 0, width, height);
    tip.hidden = hovered < 0;
    if (hovered < 0) return;
    const x = screenX(xy[2 * hovered]), y = screenY(xy[2 * hovered + 1]);
    const entry = data.clusters[cluster[hovered]];
    marker.beginPath();
    marker.arc(x, y, radius() + 3, 0, 6.2832);
    marker.fillStyle = entry.color;
    marker.fill();
    marker.lineWidth = 2;
    marker.strokeStyle = isDark() ? "#ffffff" : "#1b2330";
    marker.stroke();
    tip.replaceChildren();
    const title = document.createElement("b");
    title.textContent = idOf(hovered);
    tip.append(title, entry.name);
    const place = (at, size, whole) => Math.max(6, Math.min(whole - size - 6, at));
    tip.style.left = `${place(x + 14, tip.offsetWidth, width)}px`;
    tip.style.top = `${y + 14 + tip.offsetHeight > height ? Math.max(6, y - 14 - tip.offsetHeight) : y + 14}px`;
  };

  const nearest = (x, y) => {
    const toX = (x - width / 2 - panX) / scale() + 32767.5, toY = (height / 2 + panY - y) / scale() + 32767.5;
    const reach = 14 / scale();
    let found = -1, best = reach * reach;
    const low = (value) => cellOf(Math.max(0, value)), high = (value) => cellOf(Math.max(0, Math.min(65535, value)));
    for (let row = low(toY - reach); row <= high(toY + reach); row++) {
      for (let column = low(toX - reach); column <= high(toX + reach); column++) {
        const at = row * GRID + column;
        for (let place = cellStarts[at]; place < cellStarts[at + 1]; place++) {
          const node = inCells[place];
          if (alone >= 0 && cluster[node] !== alone) continue;
          const dx = xy[2 * node] - toX, dy = xy[2 * node + 1] - toY;
          if (dx * dx + dy * dy < best) { best = dx * dx + dy * dy; found = node; }
        }
      }
    }
    return found;
  };

  // ------------------------------------------------------------------------------------------ pointer, zoom, legend
  let drag = null;
  overlay.addEventListener("pointermove", (event) => {
    const box = overlay.getBoundingClientRect();
    if (drag) {
      panX = drag.panX + event.clientX - drag.x;
      panY = drag.panY + event.clientY - drag.y;
      hovered = -1;
      redraw();
      return;
    }
    const node = nearest(event.clientX - box.left, event.clientY - box.top);
    if (node !== hovered) { hovered = node; mark(); }
  });
  overlay.addEventListener("pointerdown", (event) => {
    if (zoom > 1) {
      drag = { x: event.clientX, y: event.clientY, panX, panY };
      overlay.setPointerCapture(event.pointerId);
    }
  });
  for (const name of ["pointerup", "pointercancel"]) overlay.addEventListener(name, () => { drag = null; });
  overlay.addEventListener("pointerleave", () => { hovered = -1; mark(); });
  const zoomBy = (factor, x = width / 2, y = height / 2) => {
    const before = zoom;
    zoom = Math.max(1, Math.min(40, zoom * factor));
    const by = zoom / before;
    panX = zoom === 1 ? 0 : (panX - (x - width / 2)) * by + (x - width / 2);
    panY = zoom === 1 ? 0 : (panY - (y - height / 2)) * by + (y - height / 2);
    hovered = -1;
    overlay.classList.toggle("zoomed", zoom > 1);
    byId("zoom-reset").hidden = zoom === 1;
    redraw();
  };
  byId("zoom-in").addEventListener("click", () => zoomBy(1.6));
  byId("zoom-out").addEventListener("click", () => zoomBy(1 / 1.6));
  byId("zoom-reset").addEventListener("click", () => zoomBy(0));
  overlay.addEventListener("dblclick", (event) => zoomBy(2, event.offsetX, event.offsetY));
  overlay.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;  // The page scrolls, unless a key is held.
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
  }, { passive: false });

  const isolate = (place) => {
    alone = place === alone ? -1 : place;
    hovered = -1;
    legend.classList.toggle("isolated", alone >= 0);
    byId("show-all").hidden = alone < 0;
    for (const entry of legend.querySelectorAll(".entry")) {
      entry.setAttribute("aria-pressed", String(Number(entry.dataset.place) === alone));
    }
    redraw();
  };
  for (const entry of legend.querySelectorAll(".entry")) {
    entry.addEventListener("click", () => isolate(Number(entry.dataset.place)));
  }
  byId("show-all").addEventListener("click", () => isolate(alone));
  for (const button of document.querySelectorAll(".on-map")) {
    button.addEventListener("click", () => {
      if (alone !== Number(button.dataset.place)) isolate(Number(button.dataset.place));
      byId("map-section").scrollIntoView();
    });
  }

  const resize = () => {
    const box = plane.getBoundingClientRect();
    width = plane.clientWidth;
    height = plane.clientHeight;
    ratio = Math.min(window.devicePixelRatio || 1, 2);
    for (const canvas of [points, overlay]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    if (box.width) draw();
  };
  new ResizeObserver(resize).observe(plane);
  resize();

  // What tests look at: the state of the map, and where a node is on the page.
  window.ecoReport = {
    count,
    state: () => ({ alone, hovered, zoom, id: hovered < 0 ? null : idOf(hovered) }),
    position: (node) => {
      const box = overlay.getBoundingClientRect();
      return { x: box.left + screenX(xy[2 * node]), y: box.top + screenY(xy[2 * node + 1]) };
    },
    draw,
  };
})();
