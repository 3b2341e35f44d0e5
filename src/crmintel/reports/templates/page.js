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

  // Pictures: what a mark stands for, where the pointer is, at a touch, and with the arrow keys.
  const tip = document.createElement("div"), told = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  told.className = "unseen";
  told.setAttribute("aria-live", "polite");
  document.body.append(tip, told);
  let lit = null;
  const hide = () => {
    if (lit) lit.classList.remove("on");
    lit = null;
    tip.hidden = true;
  };
  const place = (x, y) => {
    const wide = tip.offsetWidth, high = tip.offsetHeight, view = document.documentElement;
    tip.style.left = `${Math.max(4, Math.min(x - wide / 2, view.clientWidth - wide - 4))}px`;
    tip.style.top = `${y - high - 14 < 4 ? Math.min(y + 20, view.clientHeight - high - 4) : y - high - 14}px`;
  };
  const show = (mark, x, y) => {
    if (lit !== mark) hide();
    lit = mark;
    mark.classList.add("on");
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    place(x, y);
  };
  for (const drawing of all(document, ".drawing[data-hint]")) {
    const svg = drawing.querySelector("svg"), number = (mark, name) => Number(mark.getAttribute(name)) || 0;
    const marks = all(svg, ".tips > *").map(mark => {
      const round = mark.tagName === "circle", wide = number(mark, "width"), high = number(mark, "height");
      const x = number(mark, round ? "cx" : "x"), y = number(mark, round ? "cy" : "y");
      return {mark, round, left: x, right: x + wide, top: y, bottom: y + high, x: x + wide / 2, y: y + high / 2};
    });
    const nearest = event => {
      const {x, y} = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const off = m => Math.max(m.left - x, x - m.right, 0) + (m.round ? .2 : 1) * Math.max(m.top - y, y - m.bottom, 0);
      return marks.reduce((best, m) => off(m) < off(best) ? m : best);
    };
    let at = 0;
    const point = event => {
      const found = nearest(event);
      at = marks.indexOf(found);
      show(found.mark, event.clientX, event.clientY);
    };
    const read = aloud => {
      const box = marks[at].mark.getBoundingClientRect();
      show(marks[at].mark, box.left + box.width / 2, box.top);
      if (aloud) told.textContent = marks[at].mark.dataset.tip;
    };
    const beside = way => marks.filter(m => Math.abs(m.x - marks[at].x) < 1 && way * (m.y - marks[at].y) > 1)
      .sort((a, b) => way * (a.y - b.y)).map(m => marks.indexOf(m))[0];
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
    svg.addEventListener("pointerleave", event => { if (event.pointerType === "mouse") hide(); });
    drawing.tabIndex = 0;
    drawing.setAttribute("role", "application");
    drawing.setAttribute("aria-label", drawing.dataset.hint);
    drawing.addEventListener("focus", () => { if (drawing.matches(":focus-visible")) read(true); });
    drawing.addEventListener("blur", hide);
    drawing.addEventListener("keydown", event => {
      const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: marks.length - 1, ArrowUp: beside(-1), ArrowDown: beside(1)}[event.key];
      if (event.key === "Escape") hide();
      if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      at = Math.max(0, Math.min(to, marks.length - 1));
      read(true);
    });
    addEventListener("scroll", () => { if (lit && drawing.contains(lit)) drawing.matches(":focus-visible") ? read(false) : hide(); }, {passive: true});
  }
  document.addEventListener("pointerdown", event => { if (!event.target.closest(".drawing")) hide(); });
  document.addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
})();

// What if: another budget, cost or share. The same sums as crmintel.reports.whatif.outcome.
(() => {
  const touch = 1e-9, many = 2 ** 53;
  const amount = x => {
    const digits = Math.abs(x) >= 100 ? 0 : 2, rounded = Math.floor(Math.abs(x) * 10 ** digits + 0.5) / 10 ** digits;
    const text = rounded.toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits});
    return (x < 0 && rounded ? "−" : "") + text.replace(/\.00$/, "");
  };
  const count = x => x.toLocaleString("en-US", {maximumFractionDigits: 0});
  const fill = (text, ...values) => text.replace(/\{(\d)\}/g, (_, place) => values[place]);
  const outcome = (ladder, budget, cost, kept) => {
    const {customers, atRisk, share} = ladder, steps = customers.length - 1;
    const means = [...Array(steps).keys()].map(i => (atRisk[i + 1] - atRisk[i]) / (customers[i + 1] - customers[i]));
    const first = test => { const i = means.findIndex(mean => !test(mean)); return i < 0 ? steps : i; };
    const reach = first(mean => mean > cost * (1 + touch));
    const afford = cost ? Math.floor(Math.min(budget / share / cost + 1e-9, many)) : many;
    const limit = Math.min(customers[reach], ladder.capacity ?? many), chosen = Math.min(limit, afford);
    const step = customers.findLastIndex(n => n <= chosen), inside = chosen - customers[step];
    const risk = atRisk[step] + (inside ? inside * means[step] : 0), contacted = Math.floor(chosen * share);
    const spent = contacted * cost, saved = chosen ? kept * risk * contacted / chosen : 0;
    const worth = kept ? customers[first(mean => kept * mean >= cost * (1 - touch))] : 0;
    const counted = chosen <= customers[Math.max(reach - 1, 0)] || (cost === ladder.cost && chosen <= ladder.chosen);
    return {
      chosen, contacted, leftAlone: chosen - contacted, spent, atRisk: risk, saved, net: saved - spent, worth,
      enough: Math.min(worth, ladder.capacity ?? many) * share * cost, next: afford < limit ? kept * means[step] / cost : 0,
      counted, exact: counted && !inside,
    };
  };
  for (const card of document.querySelectorAll("[data-ladder]")) {
    const ladder = JSON.parse(card.dataset.ladder), form = card.querySelector("form"), said = card.querySelector(".said");
    const fields = [...form.querySelectorAll("input")], reply = key => card.querySelector(`[data-key=${key}]`);
    const near = (text, exact) => exact ? text : fill(ladder.about, text);
    const show = () => {
      let fits = true;
      for (const field of fields) {
        const good = field.value.trim() !== "" && field.checkValidity();
        field.setAttribute("aria-invalid", good ? "false" : "true");
        fits = fits && good;
      }
      card.classList.toggle("wrong", !fits);
      if (!fits) { said.textContent = ladder.wrong; return; }
      const [budget, cost, kept] = fields.map(field => Number(field.value)), told = outcome(ladder, budget, cost, kept / 100);
      const exact = {chosen: told.counted, spent: told.counted, worth: !told.worth, enough: !told.worth, next: !told.next};
      for (const key of ["chosen", "spent", "atRisk", "saved", "net", "worth", "enough", "next"]) {
        const write = key === "chosen" || key === "worth" ? count : amount;
        reply(key).textContent = near(write(told[key]), exact[key] ?? told.exact);
        reply(key).dataset.value = told[key];
      }
      card.querySelector("[data-note=chosen]").textContent = fill(ladder.arms, count(told.contacted), count(told.leftAlone));
      said.textContent = fill(ladder.said, near(count(told.contacted), told.counted), ...["spent", "saved", "net"].map(key => reply(key).textContent));
    };
    form.hidden = false;
    form.addEventListener("input", show);
    form.addEventListener("reset", event => {
      event.preventDefault();
      for (const field of fields) field.value = field.defaultValue;
      show();
    });
    form.addEventListener("submit", event => event.preventDefault());
  }
})();
