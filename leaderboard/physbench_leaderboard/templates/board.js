
"use strict";
const root = document.documentElement, MOST = 200;
root.classList.add("js");

addEventListener("DOMContentLoaded", () => {
  const find = (name) => document.getElementById(name);
  const inWords = new Intl.Collator("en", { numeric: true });
  const boards = [...document.querySelectorAll(".board")].map(read);
  const tabs = [...document.querySelectorAll("nav a")];
  let now = boards[0];

  function read(section) {
    const heads = [...section.querySelectorAll("thead th[data-key]")];
    const bodies = [...section.querySelectorAll("tbody.rows")].map((body) => ({
      body,
      ranked: "models" in body.dataset,
      rows: [...body.rows].map((row, place) => ({ row, place, key: null, words: null })),
    }));
    return { section, heads, bodies, all: section.querySelector(".all"), whole: false, order: "" };
  }

  // The address of the page holds its whole state: #suite=balls&sort=ari&dir=desc&filter=nem&budget=night
  const asked = () => new URLSearchParams(location.hash.slice(1));

  function go(changes, lasting = true) {
    const state = asked(), written = new URLSearchParams();
    for (const name of ["suite", "sort", "dir", "filter", "figures", "budget"]) {
      const value = name in changes ? changes[name] : state.get(name);
      if (value) written.set(name, value);
    }
    if (!written.has("suite")) written.set("suite", now.section.id);
    history[lasting ? "pushState" : "replaceState"](null, "", "#" + written);
    show();
  }

  function show() {
    const state = asked();
    const name = state.get("suite") ?? location.hash.slice(1);
    now = boards.find(({ section }) => section.id === name) ?? boards[0];
    if (!now) return;
    root.classList.toggle("every", state.get("figures") === "all");
    find("every").checked = state.get("figures") === "all";
    if (find("filter").value !== (state.get("filter") ?? "")) find("filter").value = state.get("filter") ?? "";
    boards.forEach((board, place) => {
      board.section.hidden = board !== now;
      tabs[place].setAttribute("aria-selected", board === now);
      tabs[place].tabIndex = board === now ? 0 : -1;
    });
    const tab = tabs[boards.indexOf(now)], bar = tab.parentElement;
    bar.scrollLeft = tab.offsetLeft - (bar.clientWidth - tab.offsetWidth) / 2;
    const budget = find("budget").value = known(state.get("budget"));
    rank(now, budget);
    sort(now, state.get("sort"), state.get("dir"));
    sift(now, budget, (state.get("filter") ?? "").toLowerCase().split(/\s+/).filter(Boolean));
  }

  function known(budget) {
    return [...find("budget").options].some(({ value }) => value === budget) ? budget : "";
  }

  // Ranks are those among all models, or those among the models that fit the budget.
  function rank(board, budget) {
    if (board.budget === budget) return;
    Object.assign(board, { budget, order: "" });
    for (const { rows } of board.bodies.filter(({ ranked }) => ranked))
      for (const each of rows) {
        const cell = each.row.cells[0];
        each.rank ??= cell.textContent;
        cell.textContent = budget ? each.row.getAttribute(`data-rank-${budget}`) ?? each.rank : each.rank;
      }
  }

  function sort(board, key, way) {
    const column = board.heads.findIndex((head) => head.dataset.key === key);
    const head = board.heads[Math.max(column, 0)], down = column >= 0 && (way ?? head.dataset.start) === "desc";
    for (const each of board.heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    if (board.order === `${column} ${down}`) return;
    board.order = `${column} ${down}`;
    const number = head.dataset.kind === "number";
    for (const { rows } of board.bodies) {
      if (column >= 0) for (const each of rows) each.key = keyOf(each.row.cells[column], number);
      rows.sort((a, b) => (column < 0 ? 0 : compare(a.key, b.key, number, down)) || a.place - b.place);
    }
  }

  function wordsOf(row) {
    return [".model", ".trust", ".notes"].map((part) => row.querySelector(part).textContent).join(" ").toLowerCase();
  }

  // Only visible rows are in the table, so thousands of hidden rows cost nothing.
  function sift(board, budget, wanted) {
    let fit = 0, models = 0;
    for (const { body, ranked, rows } of board.bodies) {
      const fits = rows.filter((each) => {
        each.words ??= wordsOf(each.row);
        const affordable = !budget || !ranked || each.row.hasAttribute(`data-rank-${budget}`);
        return affordable && wanted.every((word) => each.words.includes(word));
      });
      if (ranked) [fit, models] = [fits.length, rows.length];
      body.replaceChildren(...(ranked && !board.whole ? fits.slice(0, MOST) : fits).map(({ row }) => row));
    }
    const counted = `${models.toLocaleString("en")} ${models === 1 ? "model" : "models"}`;
    find("count").textContent = wanted.length || budget ? `${fit.toLocaleString("en")} of ${counted}` : counted;
    board.all.hidden = board.whole || fit <= MOST;
    board.all.textContent = `Show all ${fit.toLocaleString("en")}`;
  }

  function keyOf(cell, number) {
    const written = cell.dataset.v ?? cell.textContent;
    return number ? parseFloat(written) : written;
  }

  // Missing values come last, in either direction.
  function compare(a, b, number, down) {
    const [none, neither] = number ? [Number.isNaN(a), Number.isNaN(b)] : [!a, !b];
    if (none || neither) return none - neither;
    return (number ? a - b : inWords.compare(a, b)) * (down ? -1 : 1);
  }

  // Definitions: the browser opens them on a tap or a key press. This code opens them on hover and on focus.
  function beside(button) {
    const box = document.getElementById(button.getAttribute("popovertarget"));
    let timer = 0;
    const later = (what, wait) => { clearTimeout(timer); timer = setTimeout(what, wait); };
    const open = () => {
      clearTimeout(timer);
      if (!box.matches(":popover-open")) box.showPopover();
      const at = button.getBoundingClientRect(), { width, height } = box.getBoundingClientRect();
      const below = at.bottom + 8 + height <= innerHeight || at.top < innerHeight / 2;
      const top = below ? at.bottom + 8 : at.top - height - 8;
      box.style.left = `${Math.max(16, Math.min(at.left - 24, root.clientWidth - width - 16))}px`;
      box.style.top = `${Math.max(16, Math.min(top, innerHeight - height - 16))}px`;
    };
    const close = () => {
      const wanted = box.matches(":hover") || document.activeElement === button;
      if (box.matches(":popover-open") && !wanted) box.hidePopover();
    };
    const around = button.closest("th") ?? button;
    button.setAttribute("popovertargetaction", "show");
    button.removeAttribute("title");
    button.addEventListener("click", open);
    button.addEventListener("focus", open);
    button.addEventListener("blur", () => later(close, 150));
    around.addEventListener("pointerenter", (move) => { if (move.pointerType === "mouse") later(open, 300); });
    around.addEventListener("pointerleave", () => later(close, 200));
    box.addEventListener("pointerleave", () => later(close, 200));
  }

  boards.forEach((board) => {
    board.heads.forEach((head, column) => {
      const button = head.querySelector(".sort");
      button.disabled = false;
      button.addEventListener("click", () => {
        const sorted = head.getAttribute("aria-sort");
        const way = sorted ? (sorted === "ascending" ? "desc" : "asc") : head.dataset.start;
        go(column === 0 && way === "asc" ? { sort: null, dir: null } : { sort: head.dataset.key, dir: way });
      });
    });
    board.all.addEventListener("click", () => { board.whole = true; show(); });
    board.section.setAttribute("role", "tabpanel");
  });
  document.querySelectorAll(".what").forEach(beside);

  if (tabs.length) tabs[0].parentElement.setAttribute("role", "tablist");
  tabs.forEach((tab, place) => {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", boards[place].section.id);
    tab.addEventListener("click", (press) => {
      press.preventDefault();
      go({ suite: boards[place].section.id, sort: null, dir: null });
    });
    tab.addEventListener("keydown", (press) => {
      const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: tabs.length - 1 }[press.key];
      if (to === undefined || press.ctrlKey || press.altKey || press.metaKey) return;
      press.preventDefault();
      const next = tabs[(to + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
  });
  find("filter").addEventListener("input", () => go({ filter: find("filter").value }, false));
  find("budget").addEventListener("change", () => go({ budget: find("budget").value }));
  find("every").addEventListener("change", () => go({ figures: find("every").checked ? "all" : null }));
  addEventListener("popstate", show);
  document.querySelectorAll(".scripted:not(.all)").forEach((each) => { each.hidden = false; });
  show();
  root.classList.add("ready");
});
