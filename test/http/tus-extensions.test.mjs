/*
 * tus 1.0.0: expiration, checksum, termination and concatenation, numbered as
 * in docs/tus.md.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { test } from 'node:test';

import { basic, md5, pattern, request, status } from './client.mjs';
import { onServer, sleep } from './server.mjs';
import { CHUNK, append, create, headOf, idOf, offsetOf, patch, resolve, tus }
    from './tus-client.mjs';

const EMPTY = Buffer.alloc(0);

const bytesOf = (s, url) => fs.readFileSync(s.partFile(idOf(url)));

const sumOf = (algorithm, data) =>
    `${algorithm} ${createHash(algorithm).update(data).digest('base64')}`;

/* A second implementation: bit by bit. */
function crc32c(data)
{
    let crc = 0xffffffff;
    for (const byte of data) {
        crc ^= byte;
        for (let i = 0; i < 8; i++) {
            crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
        }
    }
    const out = Buffer.alloc(4);
    out.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
    return `crc32c ${out.toString('base64')}`;
}

/* PATCH in chunked coding with fields behind the body. */
function patchWithTrailer(s, url, offset, data, fields, announced)
{
    const body = Buffer.concat([
        Buffer.from(`${data.length.toString(16)}\r\n`), data,
        Buffer.from('\r\n0\r\n' + fields.map((f) => `${f}\r\n`).join('')
                    + '\r\n')]);
    return patch(s, url, offset, body, { 'Transfer-Encoding': 'chunked',
        ...(announced ? { Trailer: announced } : {}) });
}

onServer('tus expiration', {
    conf: `
<Location "/short">
    SetHandler chunked-upload
    ChunkedUploadExpire 1s
</Location>
<Location "/idle">
    SetHandler chunked-upload
    ChunkedUploadExpire 1h idle
</Location>
<Location "/never">
    SetHandler chunked-upload
    ChunkedUploadExpire None
</Location>
`
}, (at) => {
    const IMF = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

    test('24 Upload-Expires while the upload will expire', async () => {
        const made = await tus(at.s, 'POST', '/up', { 'Upload-Length': 3 },
                               EMPTY);
        assert.match(made.headers['upload-expires'], IMF);
        const left = Date.parse(made.headers['upload-expires']) - Date.now();
        assert.ok(left > 86390000 && left <= 86400000, left);
        const url = resolve(made.headers.location, '/up');
        const half = await append(at.s, url, 0, Buffer.from('a'));
        assert.equal(half.headers['upload-expires'],
                     made.headers['upload-expires']);
        const head = await headOf(at.s, url);
        assert.equal(head.headers['upload-expires'],
                     made.headers['upload-expires']);
        const done = await append(at.s, url, 1, Buffer.from('bc'));
        assert.equal(done.headers['upload-expires'], undefined);
        assert.equal((await headOf(at.s, url)).headers['upload-expires'],
                     undefined);
    });

    test('24 it may move, or not be there', async () => {
        const url = await create(at.s, { path: '/idle', length: 3 });
        const first = await headOf(at.s, url);
        await sleep(1100);
        const later = await append(at.s, url, 0, Buffer.from('a'));
        assert.ok(Date.parse(later.headers['upload-expires'])
                  > Date.parse(first.headers['upload-expires']));
        const never = await tus(at.s, 'POST', '/never',
                                { 'Upload-Length': 3 }, EMPTY);
        assert.equal(never.headers['upload-expires'], undefined);
    });

    test('25 expired: 410; what was complete stays', async () => {
        const url = await create(at.s, { path: '/short', length: 3 });
        const done = await create(at.s, { path: '/short', length: 0 });
        await sleep(1100);
        const head = await headOf(at.s, url);
        assert.equal(head.status, 410);
        assert.equal(head.headers['upload-offset'], undefined);
        assert.equal((await patch(at.s, url, 0, EMPTY)).status, 410);
        assert.equal((await headOf(at.s, done)).status, 200);
    });
});

onServer('tus checksum', {}, (at) => {
    const data = pattern(300000);

    test('27 each algorithm, right and wrong', async () => {
        for (const sum of [sumOf('md5', data), sumOf('sha1', data),
                           sumOf('sha256', data), sumOf('sha512', data),
                           crc32c(data)]) {
            const url = await create(at.s, { length: data.length });
            const wrong = Buffer.from(data);
            wrong[299999] ^= 1;
            const answer = await patch(at.s, url, 0, wrong,
                                       { 'Upload-Checksum': sum });
            assert.equal(answer.status, 460, sum);
            assert.equal(await offsetOf(at.s, url), 0, sum);
            await append(at.s, url, 0, data, { 'Upload-Checksum': sum });
            assert.equal(md5(bytesOf(at.s, url)), md5(data));
        }
    });

    test('27 the sum is that of the request, not of the upload', async () => {
        const url = await create(at.s, { length: data.length });
        for (let i = 0; i < data.length; i += 100000) {
            const piece = data.subarray(i, i + 100000);
            await append(at.s, url, i, piece,
                         { 'Upload-Checksum': sumOf('sha1', piece) });
        }
        const answer = await status(at.s, idOf(url));
        assert.equal(answer.json.status, 'complete');
        await append(at.s, url, data.length, EMPTY,
                     { 'Upload-Checksum': sumOf('sha1', EMPTY) });
    });

    test('27 an unknown algorithm or a malformed sum: 400', async () => {
        const url = await create(at.s, { length: 3 });
        for (const sum of ['sha3 AAAA', 'sha1', 'sha1 ', 'sha1 AAAA',
                           'sha1 !!!!', 'crc32c AAAAAA', '',
                           sumOf('sha1', data).slice(0, -1)]) {
            const answer = await patch(at.s, url, 0, Buffer.from('abc'),
                                       { 'Upload-Checksum': sum });
            assert.equal(answer.status, 400, sum);
        }
        assert.equal(await offsetOf(at.s, url), 0);
    });

    test('27 the reason phrase', async () => {
        const url = await create(at.s, { length: 3 });
        const text = await new Promise((go, no) => {
            import('node:http').then(({ request: http }) => {
                const r = http({ port: at.s.port, method: 'PATCH', path: url,
                    headers: { 'Tus-Resumable': '1.0.0', 'Upload-Offset': 0,
                               'Content-Type': CHUNK,
                               'Upload-Checksum': sumOf('sha1', 'x') } },
                (answer) => {
                    answer.resume();
                    go(`${answer.statusCode} ${answer.statusMessage}`);
                });
                r.on('error', no);
                r.end('abc');
            });
        });
        assert.equal(text, '460 Checksum Mismatch');
    });

    test('27 creation with bytes: a mismatch leaves nothing', async () => {
        const before = at.s.stateFiles().length;
        const headers = { 'Upload-Length': 3, 'Content-Type': CHUNK };
        const bad = await tus(at.s, 'POST', '/up', { ...headers,
            'Upload-Checksum': sumOf('sha1', 'abd') }, Buffer.from('abc'));
        assert.equal(bad.status, 460);
        assert.equal(at.s.stateFiles().length, before);
        const good = await tus(at.s, 'POST', '/up', { ...headers,
            'Upload-Checksum': sumOf('sha1', 'abc') }, Buffer.from('abc'));
        assert.equal(good.status, 201);
        assert.equal(good.headers['upload-offset'], '3');
    });

    test('27 what is checked counts whole or not at all', async () => {
        const url = await create(at.s, { length: data.length });
        const { Wire, head } = await import('./client.mjs');
        const wire = await Wire.open(at.s);
        await wire.write(head('PATCH', url, { 'Tus-Resumable': '1.0.0',
            'Upload-Offset': 0, 'Content-Type': CHUNK,
            'Content-Length': data.length,
            'Upload-Checksum': sumOf('sha256', data) }));
        await wire.write(data.subarray(0, 299999));
        wire.close();
        assert.equal(await offsetOf(at.s, url), 0);
        await append(at.s, url, 0, data);
    });

    test('28 as a trailer', async () => {
        const url = await create(at.s, { length: data.length });
        const sum = sumOf('sha256', data);
        const wrong = await patchWithTrailer(at.s, url, 0, data,
            [`Upload-Checksum: ${sumOf('sha256', 'x')}`], 'Upload-Checksum');
        assert.equal(wrong.status, 460);
        assert.equal(await offsetOf(at.s, url), 0);
        const none = await patchWithTrailer(at.s, url, 0, data, [],
                                            'Upload-Checksum');
        assert.equal(none.status, 400);
        const unknown = await patchWithTrailer(at.s, url, 0, data,
            ['Upload-Checksum: sha3 AAAA'], 'X-Other, upload-checksum');
        assert.equal(unknown.status, 400);
        assert.equal(await offsetOf(at.s, url), 0);
        const right = await patchWithTrailer(at.s, url, 0, data,
            ['X-Other: y', `upload-checksum: ${sum}`],
            'X-Other, upload-checksum');
        assert.equal(right.status, 204);
        assert.equal(md5(bytesOf(at.s, url)), md5(data));
    });
});

onServer('tus checksum with MergeTrailers', { conf: 'MergeTrailers on' },
         (at) => {
    test('28 as a trailer among the headers', async () => {
        const url = await create(at.s, { length: 3 });
        const data = Buffer.from('abc');
        const wrong = await patchWithTrailer(at.s, url, 0, data,
            [`Upload-Checksum: ${sumOf('md5', 'x')}`], 'Upload-Checksum');
        assert.equal(wrong.status, 460);
        const right = await patchWithTrailer(at.s, url, 0, data,
            [`Upload-Checksum: ${sumOf('md5', data)}`], 'Upload-Checksum');
        assert.equal(right.status, 204);
    });
});

onServer('tus termination', {
    conf: `
<Location "/keep">
    SetHandler chunked-upload
    ChunkedUploadDeleteComplete Off
</Location>
`
}, (at) => {
    test('29 DELETE: 204, then 404, and nothing is left', async () => {
        const open = await create(at.s, { length: 3 });
        await append(at.s, open, 0, Buffer.from('ab'));
        const done = await create(at.s, { length: 3 });
        await append(at.s, done, 0, Buffer.from('abc'));
        for (const url of [open, done]) {
            assert.equal((await tus(at.s, 'DELETE', url)).status, 204);
            assert.equal((await headOf(at.s, url)).status, 404);
            assert.equal((await patch(at.s, url, 2, EMPTY)).status, 404);
            assert.equal((await tus(at.s, 'DELETE', url)).status, 404);
        }
        assert.equal(at.s.partFiles().length, 0);
        assert.equal(at.s.stateFiles().length, 0);
    });

    test('29 the administrator may keep what is finished', async () => {
        const open = await create(at.s, { path: '/keep', length: 3 });
        const done = await create(at.s, { path: '/keep', length: 0 });
        assert.equal((await tus(at.s, 'DELETE', open)).status, 204);
        assert.equal((await tus(at.s, 'DELETE', done)).status, 403);
        assert.equal((await headOf(at.s, done)).status, 200);
    });
});

onServer('tus concatenation', {
    files: { '../passwords': 'alice:{SHA}'
        + `${createHash('sha1').update('secret').digest('base64')}\n` },
    conf: `
<Location "/members">
    SetHandler chunked-upload
    AuthType Basic
    AuthName "Members"
    AuthUserFile "@ROOT@/passwords"
    Require valid-user
</Location>
<Location "/small">
    SetHandler chunked-upload
    ChunkedUploadMaxBytes 10
</Location>
`
}, (at) => {
    const PARTIAL = { 'Upload-Concat': 'partial' };

    async function part(data, o = {})
    {
        const url = await create(at.s, { length: data.length, ...o,
            headers: { ...PARTIAL, ...o.headers } });
        await append(at.s, url, 0, data, { ...PARTIAL, ...o.headers });
        return url;
    }

    const final = (urls, headers = {}, path = '/up') =>
        tus(at.s, 'POST', path, { 'Upload-Concat': `final;${urls.join(' ')}`,
                                  ...headers }, EMPTY);

    test('30, 31, 32 parts in the order of the list; metadata of its own',
         async () => {
        const data = pattern(250000);
        const cuts = [0, 100000, 100001, 250000];
        const urls = [];
        for (let i = 0; i < 3; i++) {
            urls.push(await part(data.subarray(cuts[i], cuts[i + 1]),
                { headers: { 'Upload-Metadata': `n${i}` } }));
        }
        const answer = await final([urls[0], `https://other.example${urls[1]}`,
                                    idOf(urls[2])],
                                   { 'Upload-Metadata': 'filename w6Q=' });
        assert.equal(answer.status, 201, answer.text);
        const url = resolve(answer.headers.location, '/up');
        assert.equal(md5(bytesOf(at.s, url)), md5(data));
        const head = await headOf(at.s, url);
        assert.equal(head.headers['upload-offset'], '250000');
        assert.equal(head.headers['upload-length'], '250000');
        assert.equal(head.headers['upload-metadata'], 'filename w6Q=');
        const facts = await status(at.s, idOf(url));
        assert.equal(facts.json.status, 'complete');
        assert.equal(facts.json.filename, 'ä');
        /* the parts may go, and be used again before that */
        const again = await final([urls[2], urls[2], urls[0]]);
        assert.equal(again.status, 201);
        for (const one of urls) {
            assert.equal((await tus(at.s, 'DELETE', one)).status, 204);
        }
        assert.equal(md5(bytesOf(at.s, url)), md5(data));
        const twice = Buffer.concat([data.subarray(100001),
            data.subarray(100001), data.subarray(0, 100000)]);
        assert.deepEqual(bytesOf(at.s,
            resolve(again.headers.location, '/up')), twice);
    });

    test('31 an Upload-Length with a final upload: 400', async () => {
        const url = await part(Buffer.from('abc'));
        const answer = await final([url], { 'Upload-Length': 3 });
        assert.equal(answer.status, 400);
    });

    test('33 PATCH to a final upload: 403, nothing changed', async () => {
        const answer = await final([await part(Buffer.from('abc'))]);
        const url = resolve(answer.headers.location, '/up');
        for (const [offset, data] of [[0, 'x'], [3, 'x'], [3, '']]) {
            assert.equal((await patch(at.s, url, offset,
                                      Buffer.from(data))).status, 403);
        }
        assert.equal(bytesOf(at.s, url).toString(), 'abc');
    });

    test('34 HEAD tells Upload-Concat as it was sent', async () => {
        const url = await part(Buffer.from('abc'));
        assert.equal((await headOf(at.s, url, PARTIAL))
            .headers['upload-concat'], 'partial');
        const list = `final;http://a.example:8/x${url}  ${url}`;
        const answer = await tus(at.s, 'POST', '/up',
                                 { 'Upload-Concat': list }, EMPTY);
        const head = await headOf(at.s,
                                  resolve(answer.headers.location, '/up'));
        assert.equal(head.headers['upload-concat'], list);
        assert.equal(head.headers['upload-offset'], '6');
    });

    test('35 what cannot be joined is refused, and leaves nothing',
         async () => {
        const good = await part(Buffer.from('abc'));
        const open = await create(at.s, { length: 3, headers: PARTIAL });
        const plain = await create(at.s, { length: 0 });
        const made = resolve((await final([good])).headers.location, '/up');
        const alien = await part(Buffer.from('abc'),
            { path: '/members', headers: { Authorization: basic('alice') } });
        const before = at.s.stateFiles().length;
        for (const [urls, code] of [
            [[open], 400], [[good, open], 400], [[plain], 400], [[made], 400],
            [[alien], 404], [[`/up/${'0'.repeat(32)}`], 404],
            [['/up/x'], 400], [[], 400], [[good, '/up/'], 400]]) {
            const answer = await final(urls);
            assert.equal(answer.status, code, `${urls}: ${answer.text}`);
        }
        for (const value of ['partially', 'final', 'Final;x', '']) {
            const answer = await tus(at.s, 'POST', '/up',
                { 'Upload-Concat': value, 'Upload-Length': 1 }, EMPTY);
            assert.equal(answer.status, 400, value);
        }
        assert.equal(at.s.stateFiles().length, before);
    });

    test('35 the limit is that of all parts together', async () => {
        const parts = [await part(pattern(6)), await part(pattern(5))];
        assert.equal((await final(parts, {}, '/small')).status, 413);
        assert.equal((await final(parts)).status, 201);
    });

    test('as many parts as a header holds', async () => {
        const url = await part(Buffer.from('ab'));
        const many = Array.from({ length: 240 }, () => idOf(url));
        const answer = await final(many);
        assert.equal(answer.status, 201);
        assert.equal(bytesOf(at.s, resolve(answer.headers.location, '/up'))
            .toString(), 'ab'.repeat(240));
        const more = await request(at.s, { method: 'POST', path: '/up',
            headers: { 'Tus-Resumable': '1.0.0', 'Upload-Concat':
                `final;${Array.from({ length: 10000 },
                                    () => idOf(url)).join(' ')}` } });
        assert.equal(more.status, 400);
    });
});
