import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { createApp } from '../src/app.js';
import { fromEnvironment } from '../src/config.js';
import { setLevel } from '../src/logs.js';
import { products } from '../src/products.js';
import { conforms, readJson } from './conforms.js';

let server;
let base;

before(async () => {
  setLevel('error');
  await new Promise((resolve) => { server = createApp().listen(0, '127.0.0.1', resolve); });
  base = `http://127.0.0.1:${server.address().port}`;
});

after(() => server.close());

async function ask(path, options) {
  const response = await fetch(base + path, options);
  return { status: response.status, headers: response.headers, json: await response.json() };
}

test('the same products on every machine', () => {
  const digest = createHash('sha256').update(JSON.stringify(products)).digest('hex');
  assert.equal(digest, readJson('products.sha256.json').sha256);
});

test('a product', async () => {
  const { json } = await ask('/products/1');
  assert.deepEqual(json, { id: 1, name: 'Oak chair', category: 'furniture', price_cents: 12395 });
});

test('pages follow each other, and several can be had by id', async () => {
  const ids = async (query) => (await ask(`/products?${query}`)).json.products.map(({ id }) => id);
  assert.deepEqual(await ids('limit=2'), [1, 2]);
  assert.deepEqual(await ids('limit=2&after=2'), [3, 4]);
  assert.deepEqual(await ids('ids=7,300,301'), [7, 300]);
});

for (const path of ['/products/0', '/products/abc', '/products/301', '/products/1.0', '/nothing']) {
  test(`${path} is not there: 404`, async () => {
    const { status, json } = await ask(path);
    assert.deepEqual([status, json.error.code], [404, 'not_found']);
  });
}

for (const query of ['limit=0', 'limit=101', 'limit=x', 'limit=1&limit=2', 'after=-1', 'ids=', 'ids=1,x']) {
  test(`?${query} is a 400 that names the parameter`, async () => {
    const { status, json } = await ask(`/products?${query}`);
    assert.deepEqual([status, json.error.field], [400, query.split('=')[0]]);
  });
}

test('a path that is no text is a 400', async () => {
  const { status, json } = await ask('/products/%ff');
  assert.deepEqual([status, json.error.code], [400, 'invalid']);
});

test('a wrong method is 405 and says what is allowed', async () => {
  const { status, headers, json } = await ask('/products/1', { method: 'DELETE' });
  assert.deepEqual([status, json.error.code, headers.get('Allow')], [405, 'method_not_allowed', 'GET, HEAD']);
});

test('the request id is kept, or replaced where it could forge a log line', async () => {
  const id = async (given) => (await ask('/products/1', { headers: { 'X-Request-ID': given } })).headers.get('X-Request-ID');
  assert.equal(await id('abc-1'), 'abc-1');
  assert.match(await id('x y'), /^[0-9a-f]{32}$/);
});

test('a port that is none is named', () => {
  assert.throws(() => fromEnvironment({ PORT: 'x' }), /PORT/);
});

test('we answer as we publish', async () => {
  conforms((await ask('/products/1')).json, readJson('../contracts/product.json'));
  conforms((await ask('/products/0')).json, readJson('../contracts/error.json'));
  conforms((await ask('/products?limit=0')).json, readJson('../contracts/error.json'));
  conforms((await ask('/health')).json, readJson('../contracts/health.json'));
});

// What each consumer says that it needs of us: services/CONSUMER/contracts/expects/catalog.json.
const services = new URL('../../', import.meta.url);
const expectations = readdirSync(services)
  .map((name) => `../../${name}/contracts/expects/catalog.json`)
  .filter((path) => existsSync(new URL(path, import.meta.url)));

for (const { consumer, interactions } of expectations.map(readJson)) {
  for (const { description, request, response } of interactions) {
    test(`we answer as ${consumer} expects: ${description}`, async () => {
      const { status, json } = await ask(request.path, { method: request.method });
      assert.equal(status, response.status);
      conforms(json, response.schema);
    });
  }
}
