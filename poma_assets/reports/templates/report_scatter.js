"use strict";
// A scatter plot on a canvas: 20,000 points at once, the nearest one named under the pointer, a frame drawn with the
// pointer enlarges, chosen points are ringed and labelled without lying over each other.
(() => {
  const MARGIN = { left: 52, right: 12, top: 12, bottom: 40 };
  const REACH = 14;
  const FONT = "12px system-ui, sans-serif";

  const niceTicks = ([low, high], wanted) => {
    const rough = (high - low) / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const ticks = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) ticks.push(tick);
    return ticks.map((tick) => (Math.abs(tick) < step * 1e-9 ? 0 : Number(tick.toPrecision(12))));
  };

  const extent = (values) => {
    let low = Infinity, high = -Infinity;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) return [0, 1];
    const pad = (high - low || 1) * 0.05;
    return [low - pad, high + pad];
  };

  const triangle = (path, x, y, r, sign) => {
    path.moveTo(x, y + sign * r);
    path.lineTo(x + r, y - sign * r);
    path.lineTo(x - r, y - sign * r);
    path.closePath();
  };
  const SHAPES = {
    circle: (path, x, y, r) => { path.moveTo(x + r, y); path.arc(x, y, r, 0, 2 * Math.PI); },
    up: (path, x, y, r) => triangle(path, x, y, r, -1),
    down: (path, x, y, r) => triangle(path, x, y, r, 1),
    square: (path, x, y, r) => path.rect(x - r, y - r, 2 * r, 2 * r),
  };

  // spec: x, y (numbers, NaN is not drawn), group (a word per point), styles (word -> colour variable, shape, radius,
  // alpha; drawn in this order), xLabel, yLabel, tickText, guides ({x} or {y}), describe(i) -> lines, pick(i), alt.
  Poma.scatter = (host, spec) => {
    const whole = { x: spec.xRange ?? extent(spec.x), y: spec.yRange ?? extent(spec.y) };
    let view = whole, size = { width: 0, height: 0 }, marked = [], frame = null;
    const px = new Float32Array(spec.x.length), py = new Float32Array(spec.x.length);
    const canvas = Poma.el("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", spec.alt);
    const note = Poma.el("div", { className: "point-note", hidden: true });
    note.setAttribute("aria-hidden", "true");
    const reset = Poma.el("button", { type: "button", className: "reset", textContent: "Whole plot", hidden: true });
    host.replaceChildren(canvas, note, reset);
    const pen = canvas.getContext("2d");
    // Axes and points, drawn once for each view; rings, labels and the frame lie above them.
    const ground = document.createElement("canvas");
    const inner = () => ({
      left: MARGIN.left, top: MARGIN.top, right: size.width - MARGIN.right, bottom: size.height - MARGIN.bottom,
    });
    const scale = (value, [low, high], from, to) => from + ((value - low) / (high - low)) * (to - from);
    const clamped = (value, [low, high]) => Math.min(Math.max(value, low), high);

    const place = () => {
      const box = inner();
      for (let i = 0; i < px.length; i++) {
        const [x, y] = [spec.x[i], spec.y[i]];
        const isOut = view !== whole && (x < view.x[0] || x > view.x[1] || y < view.y[0] || y > view.y[1]);
        px[i] = isOut ? NaN : scale(clamped(x, view.x), view.x, box.left, box.right);
        py[i] = isOut ? NaN : scale(clamped(y, view.y), view.y, box.bottom, box.top);
      }
    };

    const drawAxes = (pen, colour) => {
      const box = inner();
      const text = spec.tickText ?? {};
      Object.assign(pen, { font: FONT, lineWidth: 1, strokeStyle: colour("grid"), fillStyle: colour("muted") });
      const line = (x1, y1, x2, y2) => { pen.beginPath(); pen.moveTo(x1, y1); pen.lineTo(x2, y2); pen.stroke(); };
      Object.assign(pen, { textAlign: "center", textBaseline: "top" });
      for (const tick of niceTicks(view.x, Math.max(3, size.width / 90))) {
        const x = scale(tick, view.x, box.left, box.right);
        line(x, box.top, x, box.bottom);
        pen.fillText(text.x?.(tick) ?? Poma.minus(String(tick)), x, box.bottom + 5);
      }
      pen.fillText(spec.xLabel, (box.left + box.right) / 2, box.bottom + 22);
      Object.assign(pen, { textAlign: "right", textBaseline: "middle" });
      for (const tick of niceTicks(view.y, 5)) {
        const y = scale(tick, view.y, box.bottom, box.top);
        line(box.left, y, box.right, y);
        pen.fillText(text.y?.(tick) ?? Poma.minus(String(tick)), box.left - 6, y);
      }
      pen.save();
      pen.translate(11, (box.top + box.bottom) / 2);
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "center";
      pen.fillText(spec.yLabel, 0, 0);
      pen.restore();
      pen.strokeStyle = colour("muted");
      pen.setLineDash([4, 4]);
      for (const guide of spec.guides ?? []) {
        const [x, y] = [scale(guide.x, view.x, box.left, box.right), scale(guide.y, view.y, box.bottom, box.top)];
        if (x > box.left && x < box.right) line(x, box.top, x, box.bottom);
        if (y > box.top && y < box.bottom) line(box.left, y, box.right, y);
      }
      pen.setLineDash([]);
    };

    const drawPoints = (pen, colour) => {
      for (const [group, style] of Object.entries(spec.styles)) {
        pen.globalAlpha = style.alpha;
        pen.fillStyle = colour(style.colour);
        const r = style.radius, shape = SHAPES[style.shape], path = new Path2D();
        for (let i = 0; i < px.length; i++) {
          if (spec.group[i] !== group || px[i] !== px[i] || py[i] !== py[i]) continue;
          // Thousands of small squares are quicker one by one, and lie the darker the denser they are.
          if (shape) shape(path, px[i], py[i], r);
          else pen.fillRect(px[i] - r, py[i] - r, 2 * r, 2 * r);
        }
        if (shape) pen.fill(path);
      }
      pen.globalAlpha = 1;
    };

    // Right, left, above, below of the point: the first place where a label lies over no other one.
    const drawLabels = (colour) => {
      const box = inner(), taken = [];
      Object.assign(pen, { font: `600 ${FONT}`, textAlign: "left", textBaseline: "middle", lineJoin: "round" });
      for (const [i, label] of marked) {
        if (!(px[i] === px[i] && py[i] === py[i])) continue;
        pen.beginPath();
        pen.arc(px[i], py[i], 6, 0, 2 * Math.PI);
        Object.assign(pen, { lineWidth: 1.8, strokeStyle: colour("ink") });
        pen.stroke();
        const width = pen.measureText(label).width;
        const places = [[9, 0], [-9 - width, 0], [-width / 2, -14], [-width / 2, 14], [9, -12], [9, 12],
          [-9 - width, -12], [-9 - width, 12]];
        const spot = places.map(([dx, dy]) => [px[i] + dx, py[i] + dy]).find(([x, y]) =>
          x > box.left && x + width < size.width - 2 && y > box.top + 6 && y < box.bottom - 6 &&
          !taken.some((t) => x < t[0] + t[2] + 3 && t[0] < x + width + 3 && Math.abs(y - t[1]) < 13));
        if (!spot) continue;
        taken.push([...spot, width]);
        Object.assign(pen, { lineWidth: 3.5, strokeStyle: colour("paper"), fillStyle: colour("ink") });
        pen.strokeText(label, ...spot);
        pen.fillText(label, ...spot);
      }
    };

    const drawAbove = () => {
      const colour = Poma.colours();
      pen.save();
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      if (canvas.width) pen.drawImage(ground, 0, 0);
      pen.restore();
      drawLabels(colour);
      if (frame) {
        Object.assign(pen, { lineWidth: 1, strokeStyle: colour("ink") });
        pen.strokeRect(frame[0], frame[1], frame[2] - frame[0], frame[3] - frame[1]);
      }
    };

    const draw = () => {
      const width = host.clientWidth;
      if (!width) return;
      size = { width, height: Math.round(Math.min(Math.max(width * 0.78, 260), 400)) };
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      for (const sheet of [canvas, ground]) {
        sheet.width = size.width * ratio;
        sheet.height = size.height * ratio;
        sheet.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
      }
      canvas.style.height = `${size.height}px`;
      place();
      const colour = Poma.colours();
      drawAxes(ground.getContext("2d"), colour);
      drawPoints(ground.getContext("2d"), colour);
      drawAbove();
      reset.hidden = view === whole;
    };

    const nearest = (x, y) => {
      let best = -1, least = REACH * REACH;
      for (let i = 0; i < px.length; i++) {
        const distance = (px[i] - x) ** 2 + (py[i] - y) ** 2;
        if (distance < least || (distance === least && spec.group[i] !== "no")) [best, least] = [i, distance];
      }
      return best;
    };

    const tell = (x, y) => {
      const i = nearest(x, y);
      note.hidden = i < 0;
      canvas.style.cursor = i < 0 ? "crosshair" : "pointer";
      if (i < 0) return;
      note.replaceChildren(...spec.describe(i).map((line) => Poma.el("div", { textContent: line })));
      const left = px[i] > size.width / 2 ? px[i] - note.offsetWidth - 12 : px[i] + 12;
      note.style.left = `${Math.max(0, Math.min(left, size.width - note.offsetWidth))}px`;
      note.style.top = `${Math.max(0, Math.min(py[i] - note.offsetHeight / 2, size.height - note.offsetHeight))}px`;
    };

    const enlarge = ([x1, y1, x2, y2]) => {
      const box = inner();
      const at = (pixel, from, to, [low, high]) => low + ((pixel - from) / (to - from)) * (high - low);
      const xs = [at(Math.min(x1, x2), box.left, box.right, view.x), at(Math.max(x1, x2), box.left, box.right, view.x)];
      const ys = [at(Math.max(y1, y2), box.bottom, box.top, view.y), at(Math.min(y1, y2), box.bottom, box.top, view.y)];
      view = { x: xs, y: ys };
    };

    canvas.addEventListener("pointerdown", (event) => {
      // A finger scrolls the page; only a mouse draws a frame.
      if (event.pointerType === "mouse" && event.button === 0) {
        frame = [event.offsetX, event.offsetY, event.offsetX, event.offsetY];
        canvas.setPointerCapture(event.pointerId);
      }
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!frame) { tell(event.offsetX, event.offsetY); return; }
      frame = [frame[0], frame[1], event.offsetX, event.offsetY];
      drawAbove();
    });
    canvas.addEventListener("pointerup", (event) => {
      const drawn = frame;
      frame = null;
      if (drawn && Math.abs(drawn[2] - drawn[0]) > 8 && Math.abs(drawn[3] - drawn[1]) > 8) {
        enlarge(drawn);
        draw();
        return;
      }
      const i = nearest(event.offsetX, event.offsetY);
      if (i >= 0) spec.pick?.(i);
      drawAbove();
    });
    canvas.addEventListener("pointerleave", () => { note.hidden = true; });
    canvas.addEventListener("pointercancel", () => { frame = null; drawAbove(); });
    reset.addEventListener("click", () => { view = whole; draw(); });
    new ResizeObserver(() => { if (host.clientWidth !== size.width) draw(); }).observe(host);
    document.addEventListener("poma:theme", draw);
    draw();
    // Points to ring, as [index, label]; the first ones get their labels first.
    return { mark: (points) => { marked = points; drawAbove(); } };
  };
})();
