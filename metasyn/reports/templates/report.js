// Adds to a page that reads in full without it: sorting, filtering, sources beside numbers, a contents list that follows, a dark style.
"use strict";
(() => {
  const SORTED_FROM = 3; // rows
  const FILTERED_FROM = 8;
  const TALL_FROM = 16;
  const READ_FROM = 110; // pixels from the top of the window, below the bar of a phone: where reading begins
  const WAIT = 200; // milliseconds before a pointer at rest opens a source, or one that left closes it
  const NUMBER = /^(?:[A-Za-z]{1,4}\s)?[<>≤≥]?\s?([-−+]?\d+(?:\.\d+)?)/;
  const ABSENT = ["", "–"];

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const label = (element, text) => element.setAttribute("aria-label", text);

  // --- tables

  const textOf = (cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll(".origin").forEach((origin) => origin.remove());
    return copy.textContent.trim();
  };

  const keyOf = (cell) => {
    const text = textOf(cell);
    if (cell.dataset.value) return { absent: false, number: Number(cell.dataset.value), text };
    const found = text.match(NUMBER);
    return { absent: ABSENT.includes(text), number: found ? Number(found[1].replace("−", "-")) : NaN, text };
  };

  const inOrder = (rows, column, direction) => {
    const keyed = rows.map((row) => ({ row, key: keyOf(row.cells[column]) }));
    const present = keyed.filter((one) => !one.key.absent);
    const numeric = present.every((one) => Number.isFinite(one.key.number));
    const compare = (a, b) => numeric
      ? a.key.number - b.key.number
      : a.key.text.localeCompare(b.key.text, "en", { numeric: true });
    present.sort((a, b) => direction * compare(a, b)); // stable, so that ties keep the order of the report
    return [...present, ...keyed.filter((one) => one.key.absent)].map((one) => one.row);
  };

  const sortable = (table, rows, heads) => {
    const show = (column, order) => {
      const direction = order === "descending" ? -1 : 1;
      table.tBodies[0].append(...(order === "none" ? rows : inOrder(rows, column, direction)));
      heads.forEach((head, place) => head.setAttribute("aria-sort", place === column ? order : "none"));
    };
    const next = { none: "ascending", ascending: "descending", descending: "none" };
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", className: "sort" }, ...head.childNodes);
      button.addEventListener("click", () => show(column, next[head.getAttribute("aria-sort")]));
      head.setAttribute("aria-sort", "none");
      head.append(button);
    });
    return show;
  };

  const sortList = (heads, show) => { // for rows that stand as cards, whose heads are out of sight
    const choices = [["As in the report", -1, "none"]];
    heads.forEach((head, column) => {
      choices.push([`${head.textContent}, rising`, column, "ascending"], [`${head.textContent}, falling`, column, "descending"]);
    });
    const select = make("select", {}, ...choices.map(([text]) => make("option", {}, text)));
    select.addEventListener("change", () => show(...choices[select.selectedIndex].slice(1)));
    return make("label", { className: "by" }, "Sort ", select);
  };

  const filterBox = (rows, name) => {
    const texts = rows.map((row) => [...row.cells].map(textOf).join(" ").toLowerCase());
    const input = make("input", { type: "search", autocomplete: "off" });
    const count = make("output", {}, `${rows.length} rows`);
    count.setAttribute("aria-live", "polite");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row, place) => { row.hidden = !words.every((word) => texts[place].includes(word)); });
      const left = rows.filter((row) => !row.hidden).length;
      count.textContent = words.length ? `${left} of ${rows.length} rows` : `${rows.length} rows`;
    });
    const hint = make("span", { className: "unseen" }, `: ${name}`);
    return [make("label", {}, "Filter rows", hint, " ", input), count];
  };

  const nameOf = (table) => (table.caption ? table.caption.textContent.trim() : "Table");

  const enhance = (table) => {
    const box = table.parentElement;
    const body = table.tBodies[0];
    if (!table.tHead || !body || table.tHead.rows.length !== 1) return;
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const regular = rows.every((row) => row.cells.length === heads.length) && !table.querySelector("[colspan], [rowspan]");
    const controls = make("div", { className: "controls" });
    if (rows.length >= FILTERED_FROM) controls.append(...filterBox(rows, nameOf(table)));
    if (regular && rows.length >= SORTED_FROM && table.dataset.order !== "fixed") {
      const named = heads.map((head) => head.cloneNode(true));
      const show = sortable(table, rows, heads);
      if (box.classList.contains("stack")) controls.append(sortList(named, show));
    }
    if (controls.childElementCount) {
      if (!controls.querySelector("input")) controls.classList.add("few");
      box.before(controls);
    }
    if (rows.length >= TALL_FROM) box.classList.add("tall");
  };

  // what scrolls can be reached and scrolled by keyboard
  const reachable = (box, name) => {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (scrolls && !box.hasAttribute("tabindex")) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      label(box, name);
    }
  };
  const watch = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    const table = target.querySelector("table");
    const image = target.querySelector("img");
    reachable(target, table ? nameOf(table) : `Figure: ${(image ? image.alt : "").slice(0, 60)}`);
  }));

  // --- where a number comes from

  const place = (origin, button) => {
    const at = button.getBoundingClientRect();
    const size = origin.getBoundingClientRect();
    const below = at.bottom + 6 + size.height <= window.innerHeight || at.top < size.height + 6;
    const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - size.width - 8));
    origin.style.left = `${left + window.scrollX}px`;
    origin.style.top = `${(below ? at.bottom + 6 : at.top - size.height - 6) + window.scrollY}px`;
  };

  const explain = (button) => {
    const origin = document.getElementById(button.getAttribute("popovertarget"));
    if (!origin || !origin.showPopover) return;
    let timer = 0;
    let byPointer = false;
    const open = () => origin.matches(":popover-open");
    const later = (act) => { clearTimeout(timer); timer = setTimeout(act, WAIT); };
    const leave = (event) => { if (event.pointerType === "mouse" && byPointer) later(() => open() && origin.hidePopover()); };
    const stay = () => clearTimeout(timer);
    origin.classList.add("placed");
    origin.addEventListener("toggle", () => { if (open()) place(origin, button); else byPointer = false; });
    button.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") later(() => { if (!open()) { byPointer = true; origin.showPopover({ source: button }); } });
    });
    button.addEventListener("click", (event) => {
      stay();
      if (byPointer && open()) { event.preventDefault(); byPointer = false; } // a click keeps what hovering opened
    });
    button.addEventListener("pointerleave", leave);
    origin.addEventListener("pointerenter", stay);
    origin.addEventListener("pointerleave", leave);
  };

  // --- finding one's way

  const linkable = (heading) => {
    const section = heading.closest("section[id]");
    if (!section || section.querySelector("h2, h3") !== heading) return;
    const link = make("a", { className: "anchor", href: `#${section.id}` }, "#");
    label(link, `Link to section ${heading.textContent}`);
    heading.append(link);
  };

  const follow = (nav) => {
    const links = [...nav.querySelectorAll("a[href^='#']")];
    const targets = links.map((link) => [link, document.getElementById(decodeURIComponent(link.hash.slice(1)))]).filter((pair) => pair[1]);
    let current = null;
    const mark = () => {
      const passed = targets.filter(([, target]) => target.getBoundingClientRect().top < READ_FROM);
      const link = passed.length ? passed[passed.length - 1][0] : null;
      if (link === current) return;
      if (current) current.removeAttribute("aria-current");
      current = link;
      if (!link) return;
      link.setAttribute("aria-current", "true");
      if (nav.scrollHeight > nav.clientHeight) nav.scrollTop = link.offsetTop - nav.clientHeight / 2;
    };
    return mark;
  };

  const reveal = () => { // a link into something folded unfolds it
    const target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target && target.closest("details")) target.scrollIntoView();
  };

  const menu = (nav) => {
    const button = make("button", { type: "button", className: "tool menu" }, "Contents");
    const show = (open) => { nav.classList.toggle("open", open); button.setAttribute("aria-expanded", String(open)); };
    show(false);
    button.addEventListener("click", () => show(!nav.classList.contains("open")));
    nav.addEventListener("click", (event) => { if (event.target.closest("a")) show(false); });
    nav.addEventListener("keydown", (event) => { if (event.key === "Escape" && nav.classList.contains("open")) { show(false); button.focus(); } });
    return button;
  };

  const theme = () => {
    const root = document.documentElement;
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const button = make("button", { type: "button", className: "tool theme" }, "");
    const tell = () => { button.textContent = dark() ? "Light style" : "Dark style"; };
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; tell(); });
    system.addEventListener("change", tell);
    tell();
    return button;
  };

  const load = () => document.querySelectorAll("img[loading=lazy]").forEach((image) => { image.loading = "eager"; });

  const printable = () => { // for browsers whose style cannot unfold what is folded
    let folded = [];
    window.addEventListener("beforeprint", () => {
      load();
      folded = [...document.querySelectorAll("details:not([open])")];
      folded.forEach((one) => { one.open = true; });
    });
    window.addEventListener("afterprint", () => folded.forEach((one) => { one.open = false; }));
  };

  // --- the page

  document.documentElement.classList.add("js");
  document.querySelectorAll(".scroll > table").forEach(enhance);
  document.querySelectorAll(".scroll, .card").forEach((box) => watch.observe(box));
  document.querySelectorAll("[popovertarget]").forEach(explain);
  document.querySelectorAll("main h2, main h3").forEach(linkable);
  const nav = document.getElementById("contents");
  nav.prepend(make("div", { className: "tools" }, menu(nav), theme()));
  const mark = follow(nav);
  const up = document.querySelector(".to-top");
  let due = false;
  const moved = () => { due = false; mark(); up.hidden = window.scrollY < window.innerHeight; };
  window.addEventListener("scroll", () => { if (!due) { due = true; requestAnimationFrame(moved); } }, { passive: true });
  window.addEventListener("hashchange", reveal);
  printable();
  // the first screen before any figure, then all of them: what is printed must be there
  window.addEventListener("load", () => (window.requestIdleCallback || setTimeout)(load));
  reveal();
  moved();
})();

// --- in a frame of metasyn serve: links open beside it, and a rebuilt report is read on from the same place

(() => {
  const page = window.parent;
  if (page === window) return;
  document.querySelectorAll("a[href^='https:']").forEach((link) => { link.target = "_blank"; });
  const all = (selector) => [...document.querySelectorAll(selector)];
  const marks = () => all("main [id]").filter((one) => one.getClientRects().length && one.getBoundingClientRect().top <= 1);
  const above = (mark) => (mark ? mark.getBoundingClientRect().top : 0);
  const here = () => {
    const mark = marks().pop();
    return {
      hash: location.hash, y: scrollY, mark: mark ? mark.id : "", above: above(mark),
      open: all("details[open] > summary").map((one) => one.textContent),
      filters: all("input[type=search]").map((one) => one.value),
      order: all("th[aria-sort]").map((one) => one.getAttribute("aria-sort")),
      theme: document.documentElement.dataset.theme || "",
    };
  };
  let due = false;
  const tell = () => {
    if (due) return;
    due = true;
    setTimeout(() => { due = false; page.postMessage({ metasyn: "place", place: here() }, "*"); }, 50);
  };
  const restore = (place) => {
    const open = new Set(place.open);
    all("details > summary").forEach((one) => { if (open.has(one.textContent)) one.parentElement.open = true; });
    all("input[type=search]").forEach((one, index) => {
      if (!place.filters[index]) return;
      one.value = place.filters[index];
      one.dispatchEvent(new Event("input"));
    });
    all("th[aria-sort]").forEach((one, index) => {
      const clicks = ["none", "ascending", "descending"].indexOf(place.order[index]);
      for (let click = 0; click < clicks; click += 1) one.querySelector("button").click();
    });
    const style = document.querySelector("button.theme");
    if (style && place.theme && place.theme !== (document.documentElement.dataset.theme || "")) style.click();
    const mark = document.getElementById(place.mark);
    window.scrollTo(0, mark ? scrollY + above(mark) - place.above : place.y);
  };
  window.addEventListener("message", (event) => {
    if (event.source !== page || !event.data || event.data.metasyn !== "return") return;
    if (event.data.place) restore(event.data.place);
    tell();
  });
  window.addEventListener("scroll", tell, { passive: true });
  window.addEventListener("hashchange", tell);
  ["toggle", "input", "click"].forEach((type) => document.addEventListener(type, tell, true));
})();
