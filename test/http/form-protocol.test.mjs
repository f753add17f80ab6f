/*
 * The seed's protocol, chunk view: answers, order of checks, status queries.
 * What the seed says is compared byte for byte.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { ALREADY, BAD_HEADERS, EXPIRED, NOT_FOUND, NO_FILE, SIZE_DIFFERS,
         assertChunkOk, assertRefused, chunk, complete, finish, md5,
         offsetError, pattern, request, sha256, status, uploadAll }
    from './client.mjs';
import { ENDPOINTS, onServer, sleep } from './server.mjs';

const UNKNOWN = '0123456789abcdef0123456789abcdef';

onServer('chunks', {}, (at) => {
    test('a whole small file without Content-Range', async () => {
        const data = pattern(1000);
        const answer = await chunk(at.s, { data });
        const id = assertChunkOk(answer, 1000);
        await finish(at.s, id, data);
    });

    test('a file in chunks, upload_id from the first answer', async () => {
        const data = pattern(100001);
        const id = await uploadAll(at.s, data, 10000);
        await finish(at.s, id, data);
    });

    test('chunks of one byte', async () => {
        const data = pattern(17);
        await finish(at.s, await uploadAll(at.s, data, 1), data);
    });

    test('an empty upload_id is a new upload', async () => {
        const a = assertChunkOk(await chunk(at.s, { id: '', data: 'abc' }), 3);
        const b = assertChunkOk(await chunk(at.s, { id: '', data: 'abc' }), 3);
        assert.notEqual(a, b);
    });

    test('expires is creation + 1 day and does not move', async () => {
        const before = Date.now();
        const first = await chunk(at.s, { start: 0, total: 6,
                                          data: Buffer.from('abc') });
        const id = assertChunkOk(first, 3);
        const expires = Date.parse(first.json.expires);
        assert.ok(expires >= before + 86400000 - 1
                  && expires <= Date.now() + 86400000, first.json.expires);
        await sleep(20);
        const second = await chunk(at.s, { id, start: 3, total: 6,
                                           data: Buffer.from('def') });
        assertChunkOk(second, 6, id);
        assert.equal(second.json.expires, first.json.expires);
    });

    test('the last chunk does not complete the upload', async () => {
        const id = await uploadAll(at.s, pattern(10), 5);
        const answer = await status(at.s, id);
        assert.equal(answer.json.status, 'uploading');
    });

    test('only form fields count: ?upload_id= of a POST is ignored',
         async () => {
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 4,
            data: Buffer.from('ab') }), 2);
        const answer = await chunk(at.s, { path: `/up?upload_id=${id}`,
            start: 0, total: 2, data: Buffer.from('zz') });
        assert.notEqual(assertChunkOk(answer, 2), id);
    });

    test('a trailing slash and a query are the same endpoint', async () => {
        assertChunkOk(await chunk(at.s, { path: '/up/', data: 'a' }), 1);
        assertChunkOk(await chunk(at.s, { path: '/up?x=1', data: 'a' }), 1);
    });

    test('other fields have no effect', async () => {
        const { text } = await chunk(at.s, { parts: [
            { name: 'csrfmiddlewaretoken', value: 'x' },
            { name: 'offset', value: '77' }, { name: 'user', value: 'root' },
            { name: 'file', filename: 'x', data: 'abc' },
            { name: 'filename', value: 'other' }] });
        assert.match(text, /"offset": 3,/);
    });

    test('ids differ and are 128 bits of hex', async () => {
        const ids = new Set();
        for (let i = 0; i < 20; i++) {
            ids.add(assertChunkOk(await chunk(at.s, { data: 'x' }), 1));
        }
        assert.equal(ids.size, 20);
    });
});

onServer('order of checks', { conf: 'ChunkedUploadMaxBytes 10' }, (at) => {
    const half = (o = {}) => chunk(at.s, { start: 0, total: 10,
        data: Buffer.from('abcde'), ...o });

    test('no file part comes before an unknown id', async () => {
        assertRefused(await chunk(at.s, { parts: [
            { name: 'upload_id', value: UNKNOWN }] }), 400, NO_FILE);
    });

    test('unknown id comes before bad headers', async () => {
        assertRefused(await half({ id: UNKNOWN, range: 'bytes x' }), 404,
                      NOT_FOUND);
    });

    test('complete comes before bad headers', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        await finish(at.s, id, Buffer.from('abc'));
        assertRefused(await half({ id, range: 'bytes x' }), 400, ALREADY);
        assertRefused(await half({ id, start: 3 }), 400, ALREADY);
    });

    test('malformed Content-Range comes before the limit', async () => {
        assertRefused(await half({ range: 'bytes 0-4/*' }), 400, BAD_HEADERS);
    });

    test('the limit comes before the offset', async () => {
        assertRefused(await half({ range: 'bytes 5-9/11' }), 400,
            '{"detail": "Size of file exceeds the limit (10 bytes)"}');
        assertChunkOk(await chunk(at.s, { data: pattern(10) }), 10);
        assertRefused(await chunk(at.s, { data: pattern(11) }), 400,
            '{"detail": "Size of file exceeds the limit (10 bytes)"}');
    });

    test('the offset comes before the part size', async () => {
        const id = assertChunkOk(await half(), 5);
        assertRefused(await half({ id, range: 'bytes 6-9/10' }), 400,
                      offsetError(5));
        assertRefused(await half({ id, range: 'bytes 0-4/10' }), 400,
                      offsetError(5));
        assertRefused(await half({ range: 'bytes 5-9/10' }), 400,
                      offsetError(0));
    });

    test('part size against the range, both ways', async () => {
        const id = assertChunkOk(await half(), 5);
        assertRefused(await half({ id, range: 'bytes 5-8/10' }), 400,
                      SIZE_DIFFERS);
        assertRefused(await half({ id, range: 'bytes 5-9/10',
            data: Buffer.from('xyz') }), 400, SIZE_DIFFERS);
        const answer = await half({ id, range: 'bytes 5-9/10',
                                    data: Buffer.from('fghij') });
        assertChunkOk(answer, 10, id);
        await finish(at.s, id, Buffer.from('abcdefghij'));
    });

    test('another total than declared', async () => {
        const id = assertChunkOk(await half(), 5);
        assertRefused(await half({ id, range: 'bytes 5-8/9',
            data: Buffer.from('fghi') }), 400, SIZE_DIFFERS);
        assert.equal((await status(at.s, id)).json.offset, 5);
    });

    test('a refused first chunk leaves nothing', async () => {
        const before = at.s.stateFiles().length;
        await half({ range: 'bytes 5-9/10' });
        await half({ range: 'bytes 0-9/10' });
        await half({ range: 'bytes 0-3/10' });
        await half({ range: 'nonsense' });
        assert.equal(at.s.stateFiles().length, before);
        assert.equal(at.s.partFiles().length, before);
    });
});

onServer('a range is required', {
    conf: 'ChunkedUploadRequireRange On'
}, (at) => {
    test('without Content-Range', async () => {
        assertRefused(await chunk(at.s, { data: 'abc' }), 400, BAD_HEADERS);
        assert.equal(at.s.stateFiles().length, 0);
    });

    test('with it', async () => {
        const data = Buffer.from('abc');
        const id = await uploadAll(at.s, data, 2);
        assertRefused(await chunk(at.s, { id, data }), 400, BAD_HEADERS);
        await finish(at.s, id, data);
    });
});

onServer('methods and status', {}, (at) => {
    test('OPTIONS', async () => {
        const answer = await request(at.s, { method: 'OPTIONS', path: '/up' });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers.allow, 'POST, OPTIONS');
        assert.equal(answer.headers['content-length'], '0');
        assert.equal(answer.text, '');
    });

    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'FOO']) {
        test(`${method} on the endpoint and on completion is 405`, async () => {
            for (const path of ['/up', '/up/', '/up/complete', '/done']) {
                const answer = await request(at.s, { method, path,
                    body: method === 'PUT' ? Buffer.from('abc') : undefined });
                assert.equal(answer.status, 405, path);
                assert.equal(answer.headers.allow, 'POST, OPTIONS', path);
            }
            assert.equal(at.s.stateFiles().length, 0);
        });
    }

    test('GET E/<id> and GET E?upload_id=<id>', async () => {
        const first = await chunk(at.s, { start: 0, total: 8,
            data: Buffer.from('abc'), filename: 'n\u00e4me.txt' });
        const { upload_id: id, expires } = first.json;
        for (const path of [`/up/${id}`, `/up?upload_id=${id}`,
                            `/up/?a=b&upload_id=${id}`]) {
            const answer = await request(at.s, { path });
            assert.equal(answer.status, 200, answer.text);
            assert.equal(answer.headers['content-type'], 'application/json');
            assert.deepEqual(answer.json, { upload_id: id, offset: 3, expires,
                status: 'uploading', filename: 'n\u00e4me.txt', length: 8 });
            assert.match(answer.text, /"offset": 3, /);
            assert.match(answer.text, /n\\u00[eE]4me\.txt/);
        }
        await chunk(at.s, { id, start: 3, total: 8,
                            data: Buffer.from('defgh') });
        await complete(at.s, { id, md5: md5('abcdefgh') });
        const answer = await status(at.s, id);
        assert.equal(answer.json.status, 'complete');
        assert.equal(answer.json.offset, 8);
    });

    test('a status query is never cached by anybody', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        const answer = await status(at.s, id);
        assert.match(answer.headers['cache-control'] ?? '', /no-store/);
    });

    test('a status query changes nothing on disk', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        const before = sha256(fs.readFileSync(at.s.stateFile(id)));
        await status(at.s, id);
        assert.equal(sha256(fs.readFileSync(at.s.stateFile(id))), before);
    });

    test('status of unknown and malformed ids', async () => {
        assertRefused(await status(at.s, UNKNOWN), 404, NOT_FOUND);
        assertRefused(await request(at.s,
            { path: `/up?upload_id=${UNKNOWN}` }), 404, NOT_FOUND);
    });

    test('answers tell no server path', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        for (const { text } of [await status(at.s, id),
            await status(at.s, UNKNOWN),
            await chunk(at.s, { id, data: 'x' })]) {
            assert.ok(!text.includes('/var') && !text.includes('.part'), text);
        }
    });
});

onServer('expiry', {
    conf: `
<Location "/up">
    ChunkedUploadExpire 1s
</Location>
<Location "/done">
    ChunkedUploadExpire 1s
</Location>
<Location "/idle">
    SetHandler chunked-upload
    ChunkedUploadExpire 2s idle
</Location>
<Location "/never">
    SetHandler chunked-upload
    ChunkedUploadExpire None
</Location>`
}, (at) => {
    test('an expired upload is 410 everywhere', async () => {
        const first = await chunk(at.s, { start: 0, total: 6,
                                          data: Buffer.from('abc') });
        const id = assertChunkOk(first, 3);
        await sleep(1100);
        assertRefused(await chunk(at.s, { id, start: 3, total: 6,
            data: Buffer.from('def') }), 410, EXPIRED);
        assertRefused(await chunk(at.s, { id, start: 0, total: 6,
            data: Buffer.from('def') }), 410, EXPIRED);
        assertRefused(await complete(at.s, { id, md5: md5('abc') }), 410,
                      EXPIRED);
        assertRefused(await complete(at.s, { id, md5: md5('abc'),
            path: '/up/complete' }), 410, EXPIRED);
        assertRefused(await status(at.s, id), 410, EXPIRED);
    });

    test('an upload completed in time stays', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        await finish(at.s, id, Buffer.from('abc'));
        await sleep(1100);
        assert.equal((await status(at.s, id)).json.status, 'complete');
        assertRefused(await complete(at.s, { id, md5: md5('abc') }), 200,
                      '{}');
    });

    test('idle counts from the last chunk', async () => {
        let id;
        let last = 0;
        for (let i = 0; i < 4; i++) {
            const answer = await chunk(at.s, { path: '/idle', id, start: i,
                                               total: 5, data: 'x' });
            id = assertChunkOk(answer, i + 1, id);
            assert.ok(Date.parse(answer.json.expires) > last);
            last = Date.parse(answer.json.expires);
            await sleep(800);
        }
        await sleep(1400);
        assertRefused(await chunk(at.s, { path: '/idle', id, start: 4,
            total: 5, data: 'x' }), 410, EXPIRED);
    });

    test('None never expires', async () => {
        const answer = await chunk(at.s, { path: '/never', data: 'abc' });
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.json.offset, 3);
        assert.equal(answer.json.expires, null);
    });
});

onServer('content type of answers', {
    endpoints: '',
    conf: ENDPOINTS + '<Location "/up">\n'
        + 'ChunkedUploadContentType text/plain\n</Location>'
}, (at) => {
    test('success and refusal', async () => {
        const ok = await chunk(at.s, { data: 'abc' });
        assert.equal(ok.headers['content-type'], 'text/plain');
        assert.equal(ok.json.offset, 3);
        const bad = await chunk(at.s, { id: UNKNOWN, data: 'abc' });
        assert.equal(bad.headers['content-type'], 'text/plain');
        assert.equal(bad.text, NOT_FOUND);
    });
});
