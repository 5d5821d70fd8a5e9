// The run page: sections of a tomogram with its picks, and the tilt series. All numbers come from /api of this server.
"use strict";

const $ = (id) => document.getElementById(id);
const run = $("run").dataset.run;
const base = `/api/runs/${encodeURIComponent(run)}`;
const SHAPES = ["circle", "square", "diamond", "triangle", "hexagon"];
const SIDES = { square: [4, Math.PI / 4], diamond: [4, 0], triangle: [3, Math.PI / 2], hexagon: [6, 0] };
const GROW = { square: 1.25, diamond: 1.3, triangle: 1.6, hexagon: 1.1 }; // polygons stand around the particle, not across it
const RIMS = [[6, "rgba(0, 0, 0, 0.7)"], [4, "#fff"]];
const SECTION_VIEW_SHARE = 0.66; // of the window's height, so that both sections are seen together
const PANEL_GAP = 16; // as in room.css
const SCALE_BAR_ANGSTROM = 1000;

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

async function ask(address, options) {
  const answer = await fetch(address, options);
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer;
}

const fixed = (value, digits, unit = "") => (value === null ? "–" : value.toFixed(digits) + unit);

// ---- markers: colour is never the only sign of a class, and a dark and a light rim keep every colour visible on grey ----

function outline(context, shape, x, y, reach) {
  const radius = reach * (GROW[shape] || 1);
  context.beginPath();
  if (shape === "circle") {
    context.arc(x, y, radius, 0, 2 * Math.PI);
    return;
  }
  const [sides, turn] = SIDES[shape];
  for (let i = 0; i < sides; i++) {
    const angle = turn + (2 * Math.PI * i) / sides;
    context.lineTo(x + radius * Math.cos(angle), y - radius * Math.sin(angle));
  }
  context.closePath();
}

function mark(context, look, x, y, radius) {
  outline(context, look.shape, x, y, radius);
  context.lineJoin = "round";
  for (const [width, color] of [...RIMS, [2.5, look.color]]) {
    context.lineWidth = width;
    context.strokeStyle = color;
    context.stroke();
  }
}

// ---- sections ----

const state = { tomogram: null, looks: new Map(), picks: [] };

class Section {
  // axis: the one the section is cut across; up: the one that points up in the picture.
  constructor(canvas, axis, up) {
    Object.assign(this, { canvas, axis, up, picture: null, busy: false, stale: false });
    new ResizeObserver(() => this.draw()).observe(canvas.closest(".panels"));
  }

  get slider() {
    return $(this.axis);
  }

  length(axis) {
    return state.tomogram.shape_xyz["xyz".indexOf(axis)];
  }

  // One request at a time: while a slider moves, only the last position is asked for.
  async load() {
    if (this.busy) {
      this.stale = true;
      return;
    }
    this.busy = true;
    const query = new URLSearchParams({
      axis: this.axis, index: this.slider.value, slab: $("slab").value, low: $("low").value, high: $("high").value,
      tomogram: state.tomogram.key,
    });
    try {
      const answer = await ask(`${base}/section.png?${query}`);
      this.picture = await createImageBitmap(await answer.blob());
      say("");
    } catch (error) {
      say(error.message);
    }
    this.busy = false;
    this.draw();
    if (this.stale) {
      this.stale = false;
      this.load();
    }
  }

  // Small enough for the window's height; a little smaller still where both sections then fit side by side.
  width() {
    const room = this.canvas.closest(".panels").clientWidth;
    const tall = (SECTION_VIEW_SHARE * window.innerHeight * this.length("x")) / this.length("y");
    const width = Math.min(room, Math.max(tall, 320));
    const half = Math.floor((room - PANEL_GAP) / 2);
    return half < width && half > 0.75 * width ? half : width;
  }

  draw() {
    if (!state.tomogram) return;
    const dense = window.devicePixelRatio || 1;
    const width = this.width();
    this.canvas.style.width = `${width}px`;
    const scale = width / this.length("x");
    const height = this.length(this.up) * scale;
    this.canvas.width = Math.round(width * dense);
    this.canvas.height = Math.round(height * dense);
    const context = this.canvas.getContext("2d");
    context.scale(dense, dense);
    context.imageSmoothingQuality = "high";
    if (this.picture) context.drawImage(this.picture, 0, 0, width, height);
    this.drawCut(context, width, height, scale);
    const shown = this.drawPicks(context, height, scale);
    this.drawScaleBar(context, height, scale);
    if (this.axis === "z") showCounts(shown);
  }

  // Where the other section lies.
  drawCut(context, width, height, scale) {
    const level = height - (Number($(this.up).value) + 0.5) * scale;
    context.setLineDash([6, 6]);
    context.lineWidth = 1;
    context.strokeStyle = "rgba(255, 255, 255, 0.6)";
    context.beginPath();
    context.moveTo(0, level);
    context.lineTo(width, level);
    context.stroke();
    context.setLineDash([]);
  }

  drawScaleBar(context, height, scale) {
    if (this.axis !== "z") return;
    const length = (SCALE_BAR_ANGSTROM / state.tomogram.voxel_size_angstrom) * scale;
    context.fillStyle = "rgba(0, 0, 0, 0.75)";
    context.fillRect(10, height - 38, Math.max(length, 44) + 12, 30);
    context.fillStyle = "#fff";
    context.fillRect(16, height - 17, length, 4);
    context.font = "12px system-ui, sans-serif";
    context.fillText("100 nm", 16, height - 22);
  }

  // A particle is shown where the slab cuts well into it; returns the number per class.
  drawPicks(context, height, scale) {
    const shown = new Map();
    if (!$("overlay").checked) return shown;
    const voxel = state.tomogram.voxel_size_angstrom;
    const half = Number($("slab").value) / voxel / 2;
    for (const pick of state.picks) {
      const look = state.looks.get(pick.object);
      const radius = look.radius_angstrom / voxel;
      const far = Math.abs(pick[this.axis] - Number(this.slider.value));
      if (!look.visible || !madeByChosen(pick) || far > Math.max(half, radius / 2)) continue;
      mark(context, look, (pick.x + 0.5) * scale, height - (pick[this.up] + 0.5) * scale, Math.max(5, radius * scale));
      shown.set(pick.object, (shown.get(pick.object) || 0) + 1);
    }
    return shown;
  }
}

const sections = { z: new Section($("xy"), "z", "y"), y: new Section($("xz"), "y", "z") };
const loadSections = () => Object.values(sections).forEach((section) => section.load());
const drawSections = () => Object.values(sections).forEach((section) => section.draw());

function showValues() {
  const voxel = state.tomogram.voxel_size_angstrom;
  const nanometres = (id) => `${((Number($(id).value) * voxel) / 10).toFixed(1)} nm`;
  for (const id of ["z", "y"]) $(`${id}-value`).textContent = `${$(id).value} of ${$(id).max} · ${nanometres(id)}`;
  const slab = Number($("slab").value);
  $("slab-value").textContent = slab < voxel ? "one slice" : `${(slab / 10).toFixed(0)} nm`;
  for (const id of ["low", "high"]) $(`${id}-value`).textContent = `${Number($(id).value).toFixed(1)} %`;
  $("xy-caption").textContent = `XY at z = ${nanometres("z")}; y points up. Dashed: where the XZ section lies.`;
  $("xz-caption").textContent = `XZ at y = ${nanometres("y")}; z points up. Dashed: where the XY section lies.`;
}

function move(axis, value) {
  const slider = $(axis);
  const before = slider.value;
  slider.value = value;
  if (slider.value === before) return;
  showValues();
  sections[axis].load();
  drawSections();
}

function listen() {
  for (const axis of ["z", "y"]) {
    const section = sections[axis];
    $(axis).addEventListener("input", () => { showValues(); section.load(); drawSections(); });
    section.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      // With Shift held, browsers turn the wheel sideways.
      const turned = event.deltaY || event.deltaX;
      move(axis, Number($(axis).value) + Math.sign(turned) * (event.shiftKey ? 10 : 1));
    }, { passive: false });
    section.canvas.addEventListener("click", (event) => {
      const scale = section.canvas.clientWidth / section.length("x");
      move(section.up, Math.floor((section.canvas.clientHeight - event.offsetY) / scale));
    });
  }
  for (const id of ["slab", "low", "high"]) $(id).addEventListener("input", () => { showValues(); loadSections(); });
  for (const id of ["overlay", "author"]) $(id).addEventListener("change", drawSections);
  $("which").addEventListener("change", () => showTomogram($("which").value));
  window.addEventListener("resize", drawSections);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input[type=text]") || !state.tomogram) return;
    if (event.key === "z" || event.key === "c") move("z", Number($("z").value) + (event.key === "z" ? -1 : 1));
    if (event.key === "p") $("overlay").click();
  });
}

// ---- picks and their legend ----

const madeByChosen = (pick) => !$("author").value || authorOf(pick) === $("author").value;
const authorOf = (pick) => `${pick.user}, session ${pick.session}`;

function addOptions(select, pairs) {
  select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
}

function showLegend() {
  const authors = [...new Set(state.picks.map(authorOf))].sort();
  addOptions($("author"), [["", "everyone"], ...authors.map((name) => [name, name])]);
  $("authors").hidden = authors.length < 2;
  $("no-picks").hidden = state.picks.length > 0;
  const rows = [...state.looks.values()].map((look) => {
    const row = document.createElement("li");
    const label = row.appendChild(document.createElement("label"));
    const box = label.appendChild(Object.assign(document.createElement("input"), { type: "checkbox", checked: look.visible }));
    box.addEventListener("change", () => { look.visible = box.checked; drawSections(); });
    const icon = label.appendChild(Object.assign(document.createElement("canvas"), { width: 24, height: 24 }));
    mark(icon.getContext("2d"), look, 12, 12, 6.5);
    label.append(look.name);
    look.count = label.appendChild(Object.assign(document.createElement("span"), { className: "count" }));
    return row;
  });
  $("legend").replaceChildren(...rows);
}

function showCounts(shown) {
  for (const look of state.looks.values()) {
    const all = state.picks.filter((pick) => pick.object === look.name && madeByChosen(pick)).length;
    if (look.count) look.count.textContent = `${shown.get(look.name) || 0} of ${all}`;
  }
}

async function showTomogram(key) {
  try {
    const answer = await (await ask(`${base}/picks?${new URLSearchParams({ tomogram: key })}`)).json();
    state.picks = answer.picks;
    say("");
  } catch (error) {
    state.picks = [];
    say(error.message);
  }
  state.tomogram = state.tomograms.find((one) => one.key === key);
  for (const pick of state.picks) {
    if (!state.looks.has(pick.object)) addLook({ name: pick.object, radius_angstrom: 50, color: "#cccccc" });
  }
  for (const axis of ["z", "y"]) {
    const length = sections[axis].length(axis);
    $(axis).max = length - 1;
    $(axis).value = Math.floor(length / 2);
  }
  $("tomogram").hidden = false;
  showLegend();
  showValues();
  loadSections();
}

function addLook(object) {
  state.looks.set(object.name, { ...object, shape: SHAPES[state.looks.size % SHAPES.length], visible: true });
}

// ---- verdict: the one thing this page writes ----

const sentence = (one) => (one.reason ? `${one.verdict || one.value}: ${one.reason}` : one.verdict || one.value);
let lastEvent = 0;

function showVerdict(facts) {
  lastEvent = facts.last;
  const { verdict, suggestion } = facts;
  const rules = suggestion ? `The rules suggest ${sentence(suggestion)}.` : "The rules have not measured this run yet.";
  $("verdict-now").textContent = verdict ? `${verdict.who} said ${sentence(verdict)}.` : rules;
  for (const button of document.querySelectorAll("#verdict button")) {
    button.setAttribute("aria-pressed", String(Boolean(verdict) && verdict.verdict === button.value));
  }
  $("history").hidden = !facts.events.length;
  $("events").replaceChildren(...facts.events.map((event) => Object.assign(document.createElement("li"), {
    textContent: `${event.at.slice(0, 16).replace("T", " ")} UTC, ${event.who}: ${sentence({ ...event, verdict: "" }) || event.kind}`,
  })));
}

const refreshVerdict = async () => showVerdict(await (await ask(`${base}/verdict`)).json());

async function judge(event) {
  event.preventDefault();
  const verdict = event.submitter.value;
  const details = $("details").value.trim();
  const reason = $("reason").value && details ? `${$("reason").value}: ${details}` : $("reason").value || details;
  try {
    await ask(`${base}/verdict`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Tomoset-Token": $("run").dataset.token },
      body: JSON.stringify({ verdict, reason, after: lastEvent }),
    });
    $("verdict-said").textContent = "Recorded.";
    $("reason").value = $("details").value = "";
  } catch (error) {
    $("verdict-said").textContent = error.message;
  }
  await refreshVerdict();
}

// ---- tilt series ----

function tiltFacts(tilt) {
  return [
    ["Nominal angle", fixed(tilt.tilt_deg, 2, "°")],
    ["Exposure", `number ${tilt.acquisition_order + 1}`],
    ["Dose", fixed(tilt.dose_e_per_angstrom2, 2, " e/Å²")],
    ["Dose before", fixed(tilt.dose_before_e_per_angstrom2, 1, " e/Å²")],
    ["Mean counts", fixed(tilt.mean_counts, 1, " e/px")],
    ["Defocus", fixed(tilt.defocus_angstrom === null ? null : tilt.defocus_angstrom / 1e4, 3, " µm")],
    ["CTF fit to", fixed(tilt.ctf_resolution_angstrom, 1, " Å")],
    ["Motion", fixed(tilt.motion_angstrom, 1, " Å")],
    ["Used", tilt.use ? "yes" : "no"],
    [tilt.use ? "Remark" : "Why not", tilt.reason || "–"],
    ["Movie", tilt.name],
  ];
}

function showTilt(tilts, index) {
  const tilt = tilts[index];
  $("tilt").value = index;
  $("tilt-value").textContent = `${index + 1} of ${tilts.length}, ${fixed(tilt.tilt_deg, 1, "°")}`;
  $("tilt-image").src = `${base}/tilt/${index}.png`;
  $("tilt-image").alt = `Tilt image at ${fixed(tilt.tilt_deg, 1)} degrees`;
  $("tilt-caption").textContent = `Sum of all frames at ${fixed(tilt.tilt_deg, 1, "°")}, averaged down; y points up.`;
  $("tilt-facts").replaceChildren(...tiltFacts(tilt).flatMap(([name, value]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: value }),
  ]));
  [...$("tilt-rows").rows].forEach((row, i) => row.setAttribute("aria-current", String(i === index)));
}

function showTilts(tilts) {
  const rows = tilts.map((tilt, index) => {
    const row = document.createElement("tr");
    const cells = [
      fixed(tilt.tilt_deg, 1), tilt.acquisition_order + 1, fixed(tilt.dose_before_e_per_angstrom2, 1),
      fixed(tilt.defocus_angstrom === null ? null : tilt.defocus_angstrom / 1e4, 3), fixed(tilt.motion_angstrom, 1),
      tilt.use ? "yes" : "no", tilt.reason,
    ];
    for (const text of cells) row.insertCell().textContent = text;
    row.classList.toggle("unused", !tilt.use);
    row.addEventListener("click", () => showTilt(tilts, index));
    return row;
  });
  $("tilt-rows").replaceChildren(...rows);
  $("tilt").max = tilts.length - 1;
  $("tilt").addEventListener("input", () => showTilt(tilts, Number($("tilt").value)));
  $("tilts").hidden = false;
  const flattest = tilts.reduce((best, tilt, i) => (Math.abs(tilt.tilt_deg) < Math.abs(tilts[best].tilt_deg) ? i : best), 0);
  showTilt(tilts, flattest);
}

async function start() {
  const [facts, objects] = await Promise.all([base, "/api/objects"].map(async (address) => (await ask(address)).json()));
  state.tomograms = facts.tomograms;
  objects.forEach(addLook);
  if (facts.tilts.length) showTilts(facts.tilts);
  if (!facts.tomograms.length) {
    say(`${run} has no tomogram yet; "tomoset run" makes it.`);
    return;
  }
  addOptions($("which"), facts.tomograms.map((one) => [one.key, `${one.kind}, ${one.voxel_size_angstrom} Å`]));
  $("choice").hidden = facts.tomograms.length < 2;
  listen();
  $("verdict").addEventListener("submit", (event) => judge(event).catch((error) => say(error.message)));
  await refreshVerdict();
  await showTomogram(facts.tomograms[0].key);
}

start().catch((error) => say(error.message));
