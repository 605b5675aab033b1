// Every answer that is not the one asked for has one shape: {"error": {"code", "message", "field"?}}.

import { write } from './logs.js';

export class ApiError extends Error {
  constructor(status, code, message, field) {
    super(message);
    this.status = status;
    this.body = field ? { code, message, field } : { code, message };
  }
}

export function methodNotAllowed(request, response) {
  response.set('Allow', 'GET, HEAD');
  throw new ApiError(405, 'method_not_allowed', `${request.method} is not what this URL is for`);
}

export function notFound(request) {
  throw new ApiError(404, 'not_found', `there is no ${request.path}`);
}

// Express knows an error handler by its four parameters.
// eslint-disable-next-line no-unused-vars
export function answer(error, request, response, next) {
  if (error instanceof ApiError) return response.status(error.status).json({ error: error.body });
  if (error instanceof URIError) return response.status(400).json({ error: { code: 'invalid', message: error.message, field: 'path' } });
  write('error', `unexpected ${error.name}`, { request_id: request.id, exception: error.stack });
  return response.status(500).json({ error: { code: 'internal_error', message: 'this is our fault; the log has it' } });
}
