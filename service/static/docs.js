// The forms "Try …" on the page of the API: each sends a request with the session's cookie, and shows
// the answer.
"use strict";

const SHOWN = ["allow", "content-type", "etag", "idempotency-replayed", "location", "link",
    "ratelimit", "ratelimit-policy", "retry-after", "www-authenticate", "x-request-id"];

function requestOf(form) {
    let path = form.dataset.path;
    const query = new URLSearchParams();
    const options = {method: form.dataset.method, headers: {}, credentials: "same-origin"};
    for (const field of form.elements) {
        const [place, name] = field.name.split(/\.(.*)/s);
        if (place === "body") {
            options.body = field.value;
            options.headers["Content-Type"] = field.dataset.type;
        } else if (field.value && place === "path") {
            path = path.replace(`{${name}}`, encodeURIComponent(field.value));
        } else if (field.value && place === "query") {
            query.set(name, field.value);
        } else if (field.value && place === "header") {
            options.headers[name] = field.value;
        }
    }
    const asked = query.toString();
    return [asked ? `${path}?${asked}` : path, options];
}

// Characters that change the writing direction. They would reorder the text of the answer, so they
// are shown escaped, which JSON allows.
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function escaped(json) {
    return json.replace(DIRECTIONS, each => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

async function textOf(response) {
    const headers = SHOWN.filter(name => response.headers.has(name))
        .map(name => `${name}: ${response.headers.get(name)}`);
    const text = await response.text();
    const body = text ? escaped(JSON.stringify(JSON.parse(text), null, 2)) : "";
    return [`${response.status} ${response.statusText}`, ...headers, "", body].join("\n").trim();
}

async function send(form) {
    const shown = document.createElement("pre");
    const button = form.querySelector("button");
    button.disabled = true;
    try {
        shown.textContent = await textOf(await fetch(...requestOf(form)));
    } catch (error) {
        shown.textContent = `There was no answer that could be read. ${error.message}`;
    }
    button.disabled = false;
    form.querySelector("[role=status]").replaceChildren(shown);
}

for (const form of document.querySelectorAll(".try form")) {
    form.closest(".try").hidden = false;
    form.addEventListener("submit", event => {
        event.preventDefault();
        const [path, {method}] = requestOf(form);
        if (method !== "DELETE" || confirm(`DELETE ${path}\n\nThis cannot be undone. Send it?`)) {
            send(form);
        }
    });
}
