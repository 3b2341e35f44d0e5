"use strict";
(() => {
  const all = (where, what) => [...where.querySelectorAll(what)];

  // Tables: sort by a click on a heading, look for words.
  const figure = cell => {
    const text = cell.textContent.trim(), found = text.replace(/[−–]/g, "-").replace(/,/g, "").match(/^<?(-?\d+(?:\.\d+)?)(.*)/);
    if (!found) return cell.classList.contains("num") ? -Infinity : text;
    const scale = {k: 1e3, M: 1e6, B: 1e9, T: 1e12, "万": 1e4, "亿": 1e8, "万亿": 1e12}[found[2].trim()] || 1;
    return cell.classList.contains("num") ? Number(found[1]) * scale : text;
  };
  const order = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  for (const table of all(document, "table.data")) {
    const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => all(head, "button").forEach(button => button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "none" ? head.classList.contains("num") : head.getAttribute("aria-sort") !== "descending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.map(row => [figure(row.cells[column]), row]).sort((a, b) => (down ? -1 : 1) * order(a[0], b[0])).forEach(pair => body.append(pair[1]));
    })));
  }
  for (const field of all(document, "input[type=search]")) {
    const table = document.getElementById(field.getAttribute("aria-controls")), told = field.closest("p").querySelector("output");
    const rows = [...table.tBodies[0].rows];
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows) {
        row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
        left += row.hidden ? 0 : 1;
      }
      told.textContent = told.dataset.text.replace("{0}", left).replace("{1}", rows.length);
    });
  }
})();
