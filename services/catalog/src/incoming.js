// What comes in with a query string: numbers, or a 400 that names the parameter.

import { ApiError } from './errors.js';

export function number(query, name, { otherwise, least, most }) {
  const given = query[name] ?? String(otherwise);
  if (typeof given === 'string' && /^\d{1,11}$/.test(given) && given >= least && given <= most) return Number(given);
  throw new ApiError(400, 'invalid', `not a whole number from ${least} to ${most}`, name);
}

export function numbers(query, name, { most }) {
  const given = String(query[name]).split(',');
  if (given.length <= most && given.every((each) => /^\d{1,11}$/.test(each))) return given.map(Number);
  throw new ApiError(400, 'invalid', `not a list of up to ${most} whole numbers with commas`, name);
}
