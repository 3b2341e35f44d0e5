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
    const table = document.getElementById(field.getAttribute("aria-controls")), told = field.parentElement.querySelector("output");
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

  // Pictures: what a mark stands for, beside the pointer.
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);
  const say = event => {
    const mark = event.target.closest && event.target.closest("[data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip;
    const wide = tip.offsetWidth, x = Math.min(event.clientX + 14, innerWidth - wide - 8);
    tip.style.left = Math.max(8, x) + "px";
    tip.style.top = event.clientY + (event.clientY > innerHeight - 90 ? -46 : 18) + "px";
  };
  for (const kind of ["pointerover", "pointermove", "pointerdown"]) document.addEventListener(kind, say);
  addEventListener("scroll", () => { tip.hidden = true; }, {passive: true});

  // What if: the same rule as the plan's, on steps of whole groups of customers.
  for (const box of all(document, ".whatif")) {
    const steps = JSON.parse(box.querySelector("script[type='application/json']").textContent), field = name => box.querySelector(`[name=${name}]`);
    const show = (name, text) => { box.querySelector(`[data-out=${name}]`).textContent = text; };
    const plain = (x, digits = 0) => x.toLocaleString("en-US", {maximumFractionDigits: digits});
    const reckon = () => {
      const budget = field("budget").valueAsNumber, cost = field("cost").valueAsNumber, kept = field("kept").valueAsNumber / 100;
      if (![budget, cost, kept].every(x => x >= 0)) {
        for (const out of all(box, "[data-out]")) out.textContent = "–";
        return;
      }
      let paid = 0, worth = 0, paid_value = 0, worth_value = 0, last = 0, before = 0, price = 0;
      for (const [n, total] of steps) {
        const gain = kept * (total - before) - cost * (n - last);
        if (gain > 0) { worth = n; worth_value = total; }
        if (gain > 0 && cost * n <= budget + 1e-9) { paid = n; paid_value = total; }
        else if (gain > 0 && !price && cost > 0) price = gain / (cost * (n - last));
        last = n;
        before = total;
      }
      show("contacted", plain(paid));
      show("spent", plain(cost * paid, 2));
      show("at_risk", plain(paid_value));
      show("saved", plain(kept * paid_value));
      show("net", plain(kept * paid_value - cost * paid));
      show("worth", plain(worth));
      show("enough", plain(cost * worth, 2));
      show("price", plain(price, 2));
    };
    box.addEventListener("input", event => {
      const twin = box.querySelector(`[data-twin=${event.target.name || event.target.dataset.twin}]`);
      if (event.target.dataset.twin) field(event.target.dataset.twin).value = event.target.value;
      else if (twin) twin.value = event.target.value;
      reckon();
    });
    reckon();
  }
})();
