// The front end of widget.py: shows the pictures that the kernel draws, and says that it is there as long as it is.

const HEARTBEAT = 4000; // ms; the kernel stops looking after 15 s without one
const NARROW = 620; // px

// verb, what the button says, and in which states of a container it makes sense
const BUTTONS = [
  ["kill", "Kill", ["running"]],
  ["stop", "Stop", ["running"]],
  ["start", "Start", ["exited"]],
  ["restart", "Restart", ["running", "exited", "paused"]],
  ["pause", "Pause", ["running"]],
  ["unpause", "Unpause", ["paused"]],
  ["fewer", "− replica", null],
  ["more", "+ replica", null],
  ["latency", "300 ms latency", ["running"]],
];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Make `old` like `fresh` and keep what is the same: who has the focus keeps it, and a click meets the node it was meant for.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || key(old) !== key(fresh)) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    // A node is found by its name: the labels before it come and go, and one that is made anew has lost the focus.
    const name = key(child);
    if (name && [...old.children].some((own) => key(own) === name)) while (place && key(place) !== name) place = drop(place);
    if (place && key(place) === name) {
      const next = place.nextSibling;
      morph(place, child);
      place = next;
    } else {
      old.insertBefore(child, place);
    }
  }
  while (place) place = drop(place);
}

// Take it out; returns what followed it.
function drop(child) {
  const next = child.nextSibling;
  child.remove();
  return next;
}

function key(node) {
  return node.dataset?.node ?? "";
}

function parse(svg) {
  return document.importNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement, true);
}

function render({ model, el }) {
  const picture = element("div");
  const name = element("p", { class: "slv-name" });
  const which = element("select", { "aria-label": "Replica" });
  const buttons = BUTTONS.map(([verb, label]) => element("button", { type: "button", "data-verb": verb }, label));
  const bar = element("div", { class: "slv-buttons", role: "group" }, which, ...buttons);
  const log = element("pre", { tabindex: "0", role: "log", "aria-live": "off" });
  const panel = element("div", { class: "slv-panel" }, name, bar, log);
  const note = element("p", { class: "slv-note", role: "status" });
  const trouble = element("div", { class: "slv-trouble", role: "alert" });
  const said = element("div", { class: "slv-said", "aria-live": "polite" });
  const root = element("div", { class: "slv" }, picture, panel, note, trouble, said);
  el.replaceChildren(root);

  const front = Math.random().toString(36).slice(2);
  let narrow = false;
  let heard = 0;

  function chosenStates() {
    const replicas = model.get("conditions")[model.get("selected")] ?? [];
    const number = Number(which.value);
    return replicas.filter(([own]) => !number || own === number).map(([, state]) => state);
  }

  function drawPicture() {
    const svg = (narrow && model.get("narrow")) || model.get("wide");
    if (!svg) return;
    if (picture.firstChild) morph(picture.firstChild, parse(svg));
    else picture.append(parse(svg));
  }

  function drawPanel() {
    const selected = model.get("selected");
    panel.hidden = !selected;
    if (selected) {
      name.textContent = selected;
      bar.setAttribute("aria-label", `Act on ${selected}`);
      log.setAttribute("aria-label", `Last log lines of ${selected}`);
      drawReplicas(selected);
      const states = chosenStates();
      BUTTONS.forEach(([verb, , fitting], index) => {
        const button = buttons[index];
        let possible = !fitting || states.some((state) => fitting.includes(state));
        if (verb === "fewer") possible = (model.get("conditions")[selected] ?? []).length > 0;
        if (verb === "latency" && model.get("no_latency")) {
          possible = false;
          button.title = model.get("no_latency");
        }
        if (verb === "latency") button.setAttribute("aria-pressed", String(model.get("delayed").includes(selected)));
        button.setAttribute("aria-disabled", String(!possible));
      });
    }
    const busy = model.get("busy").map(([words, state]) => (state ? `${words}: ${state}` : `${words} …`));
    note.textContent = busy.join("; ") || (selected ? "" : "Choose a service to see its log and to act on it.");
  }

  function drawReplicas(selected) {
    const numbers = (model.get("conditions")[selected] ?? []).map(([number]) => String(number));
    const wanted = ["", ...numbers];
    if (wanted.join() !== [...which.options].map((option) => option.value).join()) {
      const before = which.value;
      which.replaceChildren(
        ...wanted.map((number) => element("option", { value: number }, number ? `replica ${number}` : "all replicas")),
      );
      which.value = wanted.includes(before) ? before : "";
    }
    which.hidden = numbers.length < 2;
  }

  function drawLog() {
    const lines = model.get("lines");
    log.hidden = lines.length === 0;
    const text = lines.join("\n");
    if (log.textContent !== text) log.textContent = text;
  }

  function drawTexts() {
    if (trouble.textContent !== model.get("trouble")) trouble.textContent = model.get("trouble");
    if (said.textContent !== model.get("said")) said.textContent = model.get("said");
  }

  function choose(target) {
    const node = target.closest?.("[data-node]");
    if (!node) return false;
    const selected = node.dataset.node === model.get("selected") ? "" : node.dataset.node;
    which.value = "";
    model.set("selected", selected);
    model.save_changes();
    return true;
  }

  function seen() {
    return el.isConnected && document.visibilityState !== "hidden";
  }

  function beat() {
    if (!seen()) {
      heard = 0; // back on the screen, it says so at once
    } else if (Date.now() - heard >= HEARTBEAT) {
      heard = Date.now();
      model.send({ kind: "here", front, narrow });
    }
  }

  picture.addEventListener("click", (event) => choose(event.target));
  picture.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && choose(event.target)) {
      event.preventDefault();
      event.stopPropagation();
    }
  });
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    const replica = which.value ? Number(which.value) : null;
    model.send({ kind: "act", verb: button.dataset.verb, service: model.get("selected"), replica });
  });
  which.addEventListener("change", drawPanel);

  const handlers = {
    "change:wide": drawPicture,
    "change:narrow": drawPicture,
    "change:selected": drawPanel,
    "change:conditions": drawPanel,
    "change:busy": drawPanel,
    "change:no_latency": drawPanel,
    "change:delayed": drawPanel,
    "change:lines": drawLog,
    "change:trouble": drawTexts,
    "change:said": drawTexts,
  };
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);
  const size = new ResizeObserver(([entry]) => {
    const now = entry.contentRect.width > 0 && entry.contentRect.width < NARROW;
    if (now !== narrow) {
      narrow = now;
      heard = 0;
      beat();
      drawPicture();
    }
  });
  size.observe(el);
  const timer = setInterval(beat, 1000);
  const visible = () => beat();
  document.addEventListener("visibilitychange", visible);
  drawPicture();
  drawPanel();
  drawLog();
  drawTexts();
  beat();

  return () => {
    clearInterval(timer);
    size.disconnect();
    document.removeEventListener("visibilitychange", visible);
    for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
    model.send({ kind: "gone", front });
  };
}

export default { render };
