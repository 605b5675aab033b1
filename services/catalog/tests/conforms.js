// JSON Schema, as much of it as contracts/ uses. A keyword that it does not know is an error, so that nothing passes unchecked.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const TYPES = {
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  string: (value) => typeof value === 'string',
  integer: Number.isInteger,
};

const KEYWORDS = {
  $schema: () => {},
  title: () => {},
  type: (type, value, at) => assert.ok(TYPES[type](value), `${at}: not a ${type}`),
  const: (wanted, value, at) => assert.deepEqual(value, wanted, `${at}: not ${wanted}`),
  enum: (wanted, value, at) => assert.ok(wanted.includes(value), `${at}: none of ${wanted}`),
  minimum: (least, value, at) => assert.ok(value >= least, `${at}: below ${least}`),
  minLength: (least, value, at) => assert.ok(value.length >= least, `${at}: too short`),
  pattern: (pattern, value, at) => assert.match(value, new RegExp(pattern, 'u'), `${at}: not like ${pattern}`),
  required: (names, value, at) => names.forEach((name) => assert.ok(name in value, `${at}: ${name} is missing`)),
  properties: (schemas, value, at) => Object.entries(schemas)
    .filter(([name]) => name in value)
    .forEach(([name, schema]) => conforms(value[name], schema, `${at}.${name}`)),
  additionalProperties: (rest, value, at, { properties = {} }) => Object.keys(value)
    .filter((name) => !(name in properties))
    .forEach((name) => (rest ? conforms(value[name], rest, `${at}.${name}`) : assert.fail(`${at}: ${name} is not in the contract`))),
};

export function conforms(value, schema, at = 'answer') {
  for (const [keyword, argument] of Object.entries(schema)) {
    assert.ok(keyword in KEYWORDS, `this test does not know the keyword ${keyword}`);
    KEYWORDS[keyword](argument, value, at, schema);
  }
}

export function readJson(path) {
  return JSON.parse(readFileSync(new URL(path, import.meta.url)));
}
