/*
 * The pages for people with a one-time link: /setup, /join and /reset.
 *
 * The token stands behind the # of the link, which browsers send to no server; it is taken out of the address bar,
 * kept in this page alone, and sent once, in the body of the request. Nothing is stored.
 */

const MIN_CHARACTERS = 12;
const MAX_CHARACTERS = 128;
const TIME_LIMIT_MS = 30_000;
const USED = "This link has been used or is no longer valid: ask for a new one.";
const SOME = "Some entries need a change.";
const UNREACHABLE =
  "No answer came from the server. Check your connection, then try again; what you typed is kept. " +
  "If the link then counts as used, the first try did work: sign in.";

const byId = (id) => document.getElementById(id);
const form = document.querySelector("form");
const inputs = [...form.querySelectorAll("input")];
const passwords = inputs.filter((input) => input.type === "password");

let token = "";
let sending = false;

function start() {
  const given = new URLSearchParams(location.hash.slice(1)).get(form.dataset.token);
  if (location.hash) history.replaceState(null, "", location.pathname);
  if (given) {
    token = given;
    show(form);
  } else if (!token && byId("done").hidden) {
    show(byId("no-link"));
  }
}

function show(part) {
  for (const one of [byId("no-link"), form, byId("done")]) one.hidden = one !== part;
}

function showPasswords(shown) {
  for (const input of passwords) input.type = shown ? "text" : "password";
  byId("show").textContent = shown ? "Hide password" : "Show password";
}

/* What is wrong with a field before anything is sent; the server judges the rest. */
function faultOf(input) {
  if (!input.value) return "Fill this in.";
  if (input.dataset.repeats) return input.value === byId(input.dataset.repeats).value ? "" : "The two are not the same.";
  if (passwords.includes(input)) {
    const length = [...input.value].length; // characters, not UTF-16 units
    if (length < MIN_CHARACTERS || length > MAX_CHARACTERS) {
      return `${MIN_CHARACTERS} to ${MAX_CHARACTERS} characters; this has ${length}.`;
    }
  }
  return input.validity.typeMismatch ? "An e-mail address, such as name@example.com." : "";
}

function setFault(input, fault) {
  const place = byId(`${input.id}-error`);
  place.textContent = fault;
  place.hidden = !fault;
  if (fault) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

function setProblem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

/* Say what is wrong, and lead there: to the first wrong field, or else to the problem itself. */
function report(problem, faults) {
  for (const input of inputs) setFault(input, faults.get(input.name) ?? "");
  setProblem(problem);
  const first = inputs.find((input) => faults.has(input.name));
  (first ?? byId("problem")).focus();
}

async function submit(event) {
  event.preventDefault();
  if (sending) return;
  const faults = new Map(inputs.map((input) => [input.name, faultOf(input)]).filter(([, fault]) => fault));
  if (faults.size) return report(SOME, faults);
  setSending(true);
  setProblem("");
  showPasswords(false);
  try {
    await send();
  } finally {
    setSending(false);
  }
}

function setSending(now) {
  sending = now;
  byId("send").setAttribute("aria-disabled", String(now));
  byId("status").textContent = now ? "Sending…" : "";
}

async function send() {
  let answer;
  let body;
  try {
    answer = await fetch(form.dataset.endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json, application/problem+json" },
      body: JSON.stringify(asked()),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
    const text = await answer.text();
    body = (/\bjson\b/.test(answer.headers.get("Content-Type")) && JSON.parse(text)) || {};
  } catch {
    return report(UNREACHABLE, new Map());
  }
  if (answer.ok) finish(body);
  else refuse(answer, body);
}

function asked() {
  const sent = inputs.filter((input) => !input.dataset.repeats).map((input) => [input.name, input.value]);
  return { ...Object.fromEntries(sent), [form.dataset.token]: token };
}

function finish(answer) {
  token = "";
  form.reset();
  for (const place of document.querySelectorAll("[data-answer]")) {
    place.textContent = place.dataset.answer.split(".").reduce((value, name) => value?.[name], answer) ?? "";
  }
  show(byId("done"));
  byId("done").querySelector("h2").focus();
}

/* Show a problem document (RFC 9457). */
function refuse(answer, problem) {
  const faults = new Map();
  const elsewhere = [];
  for (const { pointer, detail } of problem.errors ?? []) {
    const name = pointer.slice(1);
    if (inputs.some((input) => input.name === name)) faults.set(name, sentence(detail));
    else elsewhere.push(sentence(detail));
  }
  report(faults.size ? [SOME, ...elsewhere].join(" ") : said(answer, problem), faults);
}

function said(answer, problem) {
  const detail = sentence(problem.detail ?? `The server answered ${answer.status}.`);
  switch (answer.status) {
    case 401:
      return [USED, form.dataset.refused ?? ""].join(" ").trim();
    case 403:
      return `${detail} ${USED}`;
    case 429:
    case 503:
      return `${detail} Try again ${when(answer.headers.get("Retry-After"))}.`;
    default:
      return detail;
  }
}

/* Retry-After is a number of seconds or a date (RFC 9110 §10.2.3). */
function when(retryAfter) {
  const seconds = /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  if (!(seconds > 1)) return "in a moment";
  if (seconds < 100) return `in ${Math.ceil(seconds)} seconds`;
  return `in ${Math.ceil(seconds / 60)} minutes`;
}

function sentence(text) {
  const upper = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}

form.addEventListener("submit", submit);
byId("show").addEventListener("click", () => showPasswords(passwords[0].type === "password"));
addEventListener("hashchange", start);
start();
