"use strict";
// Unpacks the blocks of reports/packing.py, each once and only when asked for.
(() => {
  const MIDDLE = 1 << 23;
  const unpacked = new Map();

  const inflate = async (text) => {
    if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old to unpack the data");
    const binary = atob(text.trim());
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  // Numbers lie in three planes, the lowest bytes first; 0 is missing and, of a logarithm, 1 is the number zero.
  const numbers = (column, data, rows) => {
    const values = new Float64Array(rows);
    for (let i = 0; i < rows; i++) {
      const whole = data[i] | (data[rows + i] << 8) | (data[2 * rows + i] << 16);
      const scaled = (whole - MIDDLE) * column.step;
      if (whole === 0) values[i] = NaN;
      else if (column.coding === "linear") values[i] = scaled;
      else values[i] = whole === 1 ? 0 : Math.exp(scaled);
    }
    return values;
  };

  const decode = (body) => {
    const start = 4 + new DataView(body.buffer).getUint32(0, true);
    const { rows, columns } = JSON.parse(new TextDecoder().decode(body.subarray(4, start)));
    const block = { rows, columns: {} };
    let at = start;
    for (const column of columns) {
      const size = column.bytes ?? rows * (column.coding === "code" ? 1 : 3);
      const data = body.subarray(at, at + size);
      at += size;
      if (column.coding === "text") block.columns[column.key] = JSON.parse(new TextDecoder().decode(data));
      else if (column.coding === "code") block.columns[column.key] = Array.from(data, (code) => column.words[code]);
      else block.columns[column.key] = numbers(column, data, rows);
    }
    return block;
  };

  Poma.block = (id) => {
    if (!unpacked.has(id)) {
      const packed = document.getElementById(id);
      unpacked.set(id, inflate(packed.textContent).then(decode));
      packed.textContent = "";
    }
    return unpacked.get(id);
  };
})();
