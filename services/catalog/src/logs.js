// One JSON line a request on stdout, and the request id that ties the lines of several services together.

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

const LEVELS = ['debug', 'info', 'warning', 'error'];
const SAFE_ID = /^[\w.:-]{1,64}$/; // an id from outside ends up in our logs: no line breaks, no novels
const instance = hostname();
let least = LEVELS.indexOf('info');

export function setLevel(level) {
  least = Math.max(0, LEVELS.indexOf(level));
}

export function write(level, message, fields = {}) {
  if (LEVELS.indexOf(level) < least) return;
  const line = { ts: new Date().toISOString(), level, service: 'catalog', instance, ...fields, message };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

export function logRequests(request, response, next) {
  const started = performance.now();
  const given = request.get('X-Request-ID') ?? '';
  request.id = SAFE_ID.test(given) ? given : randomUUID().replaceAll('-', '');
  response.set('X-Request-ID', request.id);
  const { path } = request;
  response.on('finish', () => {
    // Health checks come every few seconds, for ever: they would bury the rest.
    write(path === '/health' ? 'debug' : 'info', `${request.method} ${path} ${response.statusCode}`, {
      request_id: request.id,
      caller: request.get('X-Caller') ?? null,
      method: request.method,
      route: request.route ? String(request.route.path).replace(/:(\w+)/g, '<$1>') : null,
      status: response.statusCode,
      duration_ms: Math.round((performance.now() - started) * 100) / 100,
    });
  });
  next();
}
