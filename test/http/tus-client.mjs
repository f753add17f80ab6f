/* The tus protocol in short words, for the tests; on top of client.mjs. */
import assert from 'node:assert/strict';

import { request } from './client.mjs';

export const VERSION = '1.0.0';
export const CHUNK = 'application/offset+octet-stream';

const b64 = (text) => Buffer.from(text).toString('base64');

/** Upload-Metadata of an object. */
export const metadata = (o) => Object.entries(o)
    .map(([key, value]) => `${key} ${b64(value)}`.trim()).join(',');

/** One request with Tus-Resumable, and what every answer must have. */
export async function tus(s, method, path, headers = {}, body = undefined,
                          more = {})
{
    const answer = await request(s, { method, path, body, ...more,
        headers: { 'Tus-Resumable': VERSION, ...headers } });
    assert.equal(answer.headers['tus-resumable'], VERSION,
                 `${method} ${path}: ${answer.status}`);
    assert.equal(answer.headers['cache-control'], 'no-store');
    if (answer.status >= 400) {
        assert.match(answer.headers['content-type'], /^text\/plain/);
    }
    return answer;
}

/** The path that a Location means for the URL of its request. */
export const resolve = (location, path) =>
    new URL(location, `http://localhost${path}`).pathname;

/**
 * Make an upload.
 * @param o path, headers, length (undefined: no header), body
 * @return the path of the upload; .answer is not kept
 */
export async function create(s, o = {})
{
    const path = o.path ?? '/up';
    const headers = { ...o.headers };
    if (o.length !== undefined) {
        headers['Upload-Length'] = o.length;
    }
    const answer = await tus(s, 'POST', path, headers, o.body ?? Buffer.alloc(0),
                             o.more);
    assert.equal(answer.status, 201, answer.text);
    return resolve(answer.headers.location, path);
}

/** PATCH; an answer, whatever it is. */
export const patch = (s, url, offset, data, headers = {}, more = {}) =>
    tus(s, 'PATCH', url, { 'Upload-Offset': offset, 'Content-Type': CHUNK,
                           ...headers }, data, more);

export const headOf = (s, url, headers = {}, more = {}) =>
    tus(s, 'HEAD', url, headers, undefined, more);

/** PATCH that must succeed. */
export async function append(s, url, offset, data, headers = {}, more = {})
{
    const answer = await patch(s, url, offset, data, headers, more);
    assert.equal(answer.status, 204, answer.text);
    assert.equal(answer.headers['upload-offset'],
                 String(offset + data.length));
    return answer;
}

/** Where an upload stands. */
export async function offsetOf(s, url)
{
    const answer = await headOf(s, url);
    assert.equal(answer.status, 200);
    return Number(answer.headers['upload-offset']);
}

export const idOf = (url) => url.slice(url.lastIndexOf('/') + 1);
