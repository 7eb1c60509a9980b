// The page asks for itself again whenever something changed, and puts in what differs. Nothing is sent but questions.
"use strict";

const report = document.body.dataset.report;
const shown = new Map(); // region: its HTML as the server sent it
let place = null; // where the reader stands in the report, as the report itself tells it

function say(id, text) { // a live region is read out whenever it is written to
  const region = document.getElementById(id);
  if (region.textContent !== text) region.textContent = text;
}

function applyFilter(kind) {
  const words = document.getElementById(`${kind}-text`).value.toLowerCase().split(/\s+/).filter(Boolean);
  const select = document.getElementById(`${kind}-kind`);
  const kinds = select ? select.value.split(" ") : null;
  const items = [...document.querySelectorAll(`[data-item="${kind}"]`)];
  let found = 0;
  for (const item of items) {
    const text = `${item.dataset.text || ""} ${item.textContent}`.toLowerCase();
    item.hidden = !(words.every((word) => text.includes(word)) && (!kinds || kinds.includes(item.dataset.kind)));
    if (!item.hidden) found += 1;
  }
  for (const group of document.querySelectorAll(`section[data-group="${kind}"]`)) {
    group.hidden = !group.querySelector("[data-item]:not([hidden])");
  }
  const all = `${items.length} ${kind}${items.length === 1 ? "" : "s"}`;
  say(`${kind}-count`, !items.length ? "" : found === items.length ? `All ${all} shown.` : `${found || "None"} of ${all} shown.`);
}

function watchFilters() {
  for (const field of document.querySelectorAll("[data-filters]")) {
    const kept = sessionStorage.getItem(field.id); // another file is another page: the filter goes along
    if (kept !== null) field.value = kept;
    field.addEventListener("input", () => {
      sessionStorage.setItem(field.id, field.value);
      applyFilter(field.dataset.filters);
    });
  }
}

function renewFrame(coming) {
  const old = document.getElementById("report");
  for (const late of document.querySelectorAll("iframe.coming")) late.remove();
  const frame = old.cloneNode();
  frame.classList.add("coming");
  frame.removeAttribute("id");
  frame.dataset.version = coming.dataset.version;
  frame.title = coming.title;
  frame.src = coming.getAttribute("src") + (place && place.hash ? place.hash : "");
  frame.addEventListener("load", () => {
    frame.dataset.asked = "yes";
    frame.contentWindow.postMessage({ metasyn: "return", place }, "*"); // a sandboxed page has no origin to name
    setTimeout(() => reveal(frame), 1000); // a report that does not answer
  }, { once: true });
  old.after(frame);
}

function reveal(frame) { // the old report stays until the new one stands at the reader's place
  if (!frame.isConnected || !frame.classList.contains("coming")) return;
  const old = document.getElementById("report");
  const focused = document.activeElement === old;
  old.remove();
  frame.id = "report";
  frame.classList.remove("coming");
  if (focused) frame.focus();
}

function putIn(next) {
  for (const region of document.querySelectorAll("[data-region]")) {
    const other = next.querySelector(`[data-region="${region.dataset.region}"]`);
    if (!other) continue;
    const frames = [region, other].map((one) => one.querySelector("iframe:not(.coming)"));
    if (frames[0] && frames[1]) {
      const newest = region.querySelector("iframe.coming") || frames[0];
      if (newest.dataset.version !== frames[1].dataset.version) renewFrame(frames[1]);
    } else if (shown.get(region.dataset.region) !== other.outerHTML) {
      const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
      const made = document.importNode(other, true);
      shown.set(region.dataset.region, other.outerHTML);
      const top = region.scrollTop;
      region.replaceWith(made);
      made.scrollTop = top;
      if (focused && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
    }
  }
}

let asked = 0;
async function refresh() {
  const mine = (asked += 1);
  let text;
  try {
    const answer = await fetch(location.pathname);
    if (!answer.ok) return;
    text = await answer.text();
  } catch {
    return; // the stream says so when the server is gone
  }
  if (mine !== asked) return; // a newer answer is on its way
  const next = new DOMParser().parseFromString(text, "text/html");
  putIn(next);
  document.title = next.title;
  say("status", next.getElementById("status").textContent);
  arrange();
}

// A table's heads are buttons: by this column, then the other way round, as the reader left it after a renewal.
const order = { column: 0, descending: false };
function sortRecords() {
  const table = document.querySelector('[data-region="records"]');
  const rows = [...table.querySelectorAll('[data-item="record"]')];
  const key = (row) => row.cells[order.column].dataset.sort || row.cells[order.column].textContent;
  rows.sort((a, b) => key(a).localeCompare(key(b), "en", { numeric: true }) * (order.descending ? -1 : 1));
  const focused = document.activeElement;
  if (rows.some((row, index) => index && !(rows[index - 1].compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING))) {
    for (const row of rows) row.parentElement.append(row);
    if (table.contains(focused)) focused.focus({ preventScroll: true }); // a row that moves loses it
  }
  [...table.querySelectorAll("th")].forEach((head, column) => {
    if (column === order.column) head.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-sorts]");
  if (!button) return;
  const column = button.closest("th").cellIndex;
  order.descending = column === order.column && !order.descending;
  order.column = column;
  sortRecords();
});

function arrange() {
  applyFilter("finding");
  applyFilter("record");
  sortRecords();
  for (const old of document.querySelectorAll(".at")) old.classList.remove("at");
  const line = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (line && line.closest(".lines")) line.classList.add("at"); // a line put in anew is no :target any more
}

addEventListener("message", (event) => {
  const frame = [...document.querySelectorAll("iframe")].find((one) => one.contentWindow === event.source);
  if (!frame || !event.data || event.data.metasyn !== "place") return;
  if (frame.classList.contains("coming")) {
    if (frame.dataset.asked) reveal(frame);
  } else {
    place = event.data.place;
  }
});

for (const region of document.querySelectorAll("[data-region]")) shown.set(region.dataset.region, region.outerHTML);
watchFilters();
arrange();
addEventListener("hashchange", arrange);
const stream = new EventSource(`/events?report=${encodeURIComponent(report)}`);
const lost = document.getElementById("lost");
stream.addEventListener("changed", () => { lost.hidden = true; refresh(); });
stream.addEventListener("ended", () => { lost.hidden = false; });
stream.addEventListener("error", () => { lost.hidden = false; });
