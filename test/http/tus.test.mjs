/*
 * tus 1.0.0, core and creation: every MUST and SHOULD, numbered (the list with
 * the same numbers is in docs/tus.md).
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { md5, pattern, request, status } from './client.mjs';
import { onServer } from './server.mjs';
import { CHUNK, VERSION, append, create, headOf, idOf, metadata, offsetOf,
         patch, resolve, tus } from './tus-client.mjs';

const UNKNOWN = '/up/0123456789abcdef0123456789abcdef';
const EMPTY = Buffer.alloc(0);

const bytesOf = (s, url) => fs.readFileSync(s.partFile(idOf(url)));

onServer('tus core', {
    conf: `
<Location "/small">
    SetHandler chunked-upload
    ChunkedUploadMaxBytes 1000
</Location>
<Location "/form-only">
    SetHandler chunked-upload
    ChunkedUploadDialects form
</Location>
<Location "/tus-only">
    SetHandler chunked-upload
    ChunkedUploadDialects tus
</Location>
`
}, (at) => {
    test('1 every answer carries Tus-Resumable, errors included', async () => {
        const url = await create(at.s, { length: 3 });
        /* tus() looks at each */
        await append(at.s, url, 0, Buffer.from('abc'));
        await headOf(at.s, url);
        await headOf(at.s, UNKNOWN);
        await patch(at.s, UNKNOWN, 0, EMPTY);
        await tus(at.s, 'POST', '/up');
        await tus(at.s, 'PUT', '/up');
        await tus(at.s, 'DELETE', UNKNOWN);
    });

    test('2 another version, or none: 412 and Tus-Version', async () => {
        const url = await create(at.s, { length: 3 });
        for (const [method, path, headers] of [
            ['POST', '/up', { 'Upload-Length': 3 }],
            ['PATCH', url, { 'Upload-Offset': 0, 'Content-Type': CHUNK }]]) {
            for (const version of ['0.2.2', '1.0.1', '', undefined]) {
                const answer = await request(at.s, { method, path,
                    headers: { ...headers, 'Tus-Resumable': version },
                    body: Buffer.from(method === 'PATCH' ? 'abc' : '') });
                assert.equal(answer.status, 412, `${method} ${version}`);
                assert.equal(answer.headers['tus-version'], VERSION);
                assert.equal(answer.headers['tus-resumable'], VERSION);
            }
        }
        for (const method of ['HEAD', 'DELETE']) {
            const answer = await request(at.s, { method, path: url,
                headers: { 'Tus-Resumable': '2.0.0' } });
            assert.equal(answer.status, 412, method);
        }
        assert.equal(await offsetOf(at.s, url), 0);
    });

    test('3 X-HTTP-Method-Override', async () => {
        const url = await create(at.s, { length: 3 });
        const over = (method, headers, body) => tus(at.s, 'POST', url,
            { 'X-HTTP-Method-Override': method, ...headers }, body);
        const sent = await over('PATCH', { 'Upload-Offset': 0,
            'Content-Type': CHUNK }, Buffer.from('abc'));
        assert.equal(sent.status, 204);
        assert.equal(sent.headers['upload-offset'], '3');
        const head = await over('HEAD', {}, EMPTY);
        assert.equal(head.status, 200);
        assert.equal(head.headers['upload-offset'], '3');
        assert.equal((await over('PUT', {}, EMPTY)).status, 405);
        assert.equal((await over('patch', {}, EMPTY)).status, 405);
        /* only on POST */
        const other = await tus(at.s, 'HEAD', url,
                                { 'X-HTTP-Method-Override': 'DELETE' });
        assert.equal(other.status, 200);
        assert.equal((await over('DELETE', {}, EMPTY)).status, 204);
        assert.equal((await headOf(at.s, url)).status, 404);
    });

    test('4, 5, 6 HEAD: offset always, length when known, no-store',
         async () => {
        const url = await create(at.s, { length: 5 });
        for (const [offset, data] of [[0, 'ab'], [2, 'cde'], [5, '']]) {
            const answer = await headOf(at.s, url);
            assert.equal(answer.status, 200);
            assert.equal(answer.headers['upload-offset'], String(offset));
            assert.equal(answer.headers['upload-length'], '5');
            assert.equal(answer.headers['upload-defer-length'], undefined);
            assert.match(answer.headers['cache-control'], /no-store/);
            await append(at.s, url, offset, Buffer.from(data));
        }
    });

    test('7, 11 an unknown upload: 404, no Upload-Offset', async () => {
        for (const path of [UNKNOWN, '/up/no-id', '/up/complete/x', '/up/',
                            `${UNKNOWN.toUpperCase()}`.replace('/UP', '/up')]) {
            const answer = await headOf(at.s, path);
            assert.equal(answer.status, 404, path);
            assert.equal(answer.headers['upload-offset'], undefined);
            assert.equal((await patch(at.s, path, 0, EMPTY)).status, 404);
            assert.equal((await tus(at.s, 'DELETE', path)).status, 404);
        }
    });

    test('8 another Content-Type than the chunk\'s: 415', async () => {
        const url = await create(at.s, { length: 3 });
        for (const type of [undefined, 'application/octet-stream',
                            'multipart/form-data; boundary=x']) {
            const answer = await patch(at.s, url, 0, Buffer.from('abc'),
                                       { 'Content-Type': type });
            assert.equal(answer.status, 415, type);
        }
        await append(at.s, url, 0, Buffer.from('abc'),
                     { 'Content-Type': 'Application/Offset+Octet-Stream;a=b' });
    });

    test('9 another offset: 409, nothing changed', async () => {
        const url = await create(at.s, { length: 6 });
        await append(at.s, url, 0, Buffer.from('abc'));
        for (const offset of [0, 2, 4, 6, 7, '9223372036854775807']) {
            const answer = await patch(at.s, url, offset, Buffer.from('x'));
            assert.equal(answer.status, 409, offset);
            assert.equal(answer.headers['upload-offset'], '3');
        }
        await append(at.s, url, 3, Buffer.from('def'));
        assert.equal((await patch(at.s, url, 0, EMPTY)).status, 409);
        assert.equal(bytesOf(at.s, url).toString(), 'abcdef');
    });

    test('10 204 and the new offset; the last byte completes', async () => {
        const data = pattern(100000);
        const url = await create(at.s, { length: data.length });
        for (let i = 0; i < data.length; i += 30000) {
            const answer = await append(at.s, url, i,
                                        data.subarray(i, i + 30000));
            assert.equal(answer.text, '');
        }
        assert.equal(md5(bytesOf(at.s, url)), md5(data));
        const answer = await status(at.s, idOf(url));
        assert.equal(answer.json.status, 'complete');
        /* repeated: already there */
        await append(at.s, url, data.length, EMPTY);
        assert.equal((await patch(at.s, url, data.length,
                                  Buffer.from('x'))).status, 403);
    });

    test('10 offset and length that overflow together', async () => {
        const url = await create(at.s, { length: 3 });
        const answer = await patch(at.s, url, '9223372036854775807',
            Buffer.alloc(0), { 'Content-Length': '9223372036854775800' });
        assert.ok([400, 409, 413].includes(answer.status), answer.status);
        assert.equal(await offsetOf(at.s, url), 0);
    });

    test('10 bytes beyond the length are refused before they come',
         async () => {
        const url = await create(at.s, { length: 3 });
        assert.equal((await patch(at.s, url, 0, Buffer.from('abcd'))).status,
                     403);
        assert.equal(await offsetOf(at.s, url), 0);
        /* in chunked coding nobody knows before: what fits is there */
        const answer = await patch(at.s, url, 0,
            Buffer.from('4\r\nabcd\r\n0\r\n\r\n'),
            { 'Transfer-Encoding': 'chunked' });
        assert.equal(answer.status, 403);
        assert.ok(await offsetOf(at.s, url) <= 3);
    });

    test('13, 14 OPTIONS: what is supported', async () => {
        for (const [path, max] of [['/up', undefined], ['/small', '1000'],
                                   [UNKNOWN, undefined]]) {
            for (const version of [undefined, '0.0.1']) {
                const answer = await request(at.s, { method: 'OPTIONS', path,
                    headers: { 'Tus-Resumable': version } });
                assert.equal(answer.status, 200);
                assert.equal(answer.headers['tus-version'], VERSION);
                assert.equal(answer.headers['tus-extension'],
                    'creation,creation-with-upload,creation-defer-length,'
                    + 'expiration,checksum,checksum-trailer,termination,'
                    + 'concatenation');
                assert.equal(answer.headers['tus-checksum-algorithm'],
                             'md5,sha1,sha256,sha512,crc32c');
                assert.equal(answer.headers['tus-max-size'], max);
                assert.equal(answer.text, '');
            }
        }
    });

    test('15 numbers are non-negative integers', async () => {
        const url = await create(at.s, { length: 3 });
        for (const bad of ['-1', '+1', '1.0', '0x1', '1e3', 'one', '', ' 1x',
                           '9223372036854775808', '007']) {
            assert.equal((await patch(at.s, url, bad, EMPTY)).status, 400,
                         `offset ${bad}`);
            const made = await tus(at.s, 'POST', '/up',
                                   { 'Upload-Length': bad }, EMPTY);
            assert.equal(made.status, 400, `length ${bad}`);
        }
        const none = await tus(at.s, 'PATCH', url, { 'Content-Type': CHUNK },
                               EMPTY);
        assert.equal(none.status, 400);
    });

    test('a dialect that is not spoken here', async () => {
        const other = await request(at.s, { method: 'POST',
            path: '/form-only', headers: { 'Tus-Resumable': VERSION,
                                           'Upload-Length': 3 } });
        assert.equal(other.headers['tus-resumable'], undefined);
        assert.equal(other.status, 400);
        const options = await request(at.s, { method: 'OPTIONS',
                                              path: '/form-only' });
        assert.equal(options.headers['tus-version'], undefined);
        const form = await request(at.s, { method: 'POST', path: '/tus-only',
            headers: { 'Content-Type': 'multipart/form-data; boundary=x' },
            body: Buffer.from('--x--\r\n') });
        assert.equal(form.status, 412);
    });
});

onServer('tus creation', {
    conf: `
<Location "/small">
    SetHandler chunked-upload
    ChunkedUploadMaxBytes 1000
</Location>
<Location "/absolute">
    SetHandler chunked-upload
    ChunkedUploadLocation absolute
</Location>
`
}, (at) => {
    test('16 201 and a Location that is right for every URL of the endpoint',
         async () => {
        for (const path of ['/up', '/up/', '/up/a%20b;c:d', '/up?x=1/2']) {
            const answer = await tus(at.s, 'POST', path,
                                     { 'Upload-Length': 1 }, EMPTY);
            assert.equal(answer.status, 201, path);
            assert.doesNotMatch(answer.headers.location, /^(\/|http)/);
            const url = resolve(answer.headers.location, path);
            assert.match(url, /^\/up\/.*[0-9a-f]{32}$/, path);
            await append(at.s, url, 0, Buffer.from('x'));
        }
        const answer = await tus(at.s, 'POST', '/absolute',
                                 { 'Upload-Length': 1 }, EMPTY);
        assert.match(answer.headers.location,
                     /^http:\/\/[^/]+\/absolute\/[0-9a-f]{32}$/);
    });

    test('17 a length, or the word that it will come: exactly one', async () => {
        for (const headers of [{}, { 'Upload-Length': 1,
                                     'Upload-Defer-Length': 1 },
                               { 'Upload-Defer-Length': 0 },
                               { 'Upload-Defer-Length': 2 },
                               { 'Upload-Defer-Length': '' }]) {
            const answer = await tus(at.s, 'POST', '/up', headers, EMPTY);
            assert.equal(answer.status, 400, JSON.stringify(headers));
        }
        assert.equal(at.s.stateFiles().length, at.s.partFiles().length);
    });

    test('18 above the maximum: 413, nothing is left', async () => {
        const before = at.s.stateFiles().length;
        const answer = await tus(at.s, 'POST', '/small',
                                 { 'Upload-Length': 1001 }, EMPTY);
        assert.equal(answer.status, 413);
        assert.equal(at.s.stateFiles().length, before);
        await create(at.s, { path: '/small', length: 1000 });
        /* also when the length comes later, or never */
        const url = await create(at.s, { path: '/small',
            headers: { 'Upload-Defer-Length': 1 } });
        assert.equal((await patch(at.s, url, 0, EMPTY,
                                  { 'Upload-Length': 1001 })).status, 413);
        assert.equal((await patch(at.s, url, 0, pattern(1001))).status, 413);
        await append(at.s, url, 0, pattern(1000), { 'Upload-Length': 1000 });
    });

    test('19 zero bytes: complete at once', async () => {
        const url = await create(at.s, { length: 0 });
        const answer = await headOf(at.s, url);
        assert.equal(answer.headers['upload-offset'], '0');
        assert.equal(answer.headers['upload-length'], '0');
        const facts = await status(at.s, idOf(url));
        assert.equal(facts.json.status, 'complete');
        assert.equal(bytesOf(at.s, url).length, 0);
    });

    test('20 metadata comes back as sent; name and type are taken from it',
         async () => {
        const cases = [
            [metadata({ filename: 'né.txt', filetype: 'text/plain' }),
             'né.txt'],
            ['empty ,filename w6Q=', 'ä'],
            ['filename w6Q=,empty', 'ä'],
            [metadata({ name: '../../etc/passwd', a: '' }), 'passwd'],
            [metadata({ filename: '', name: 'b' }), 'b'],
            [metadata({ filename: Buffer.from([0xff, 10, 0x41]) }),
             '\ufffdA'],
            ['x', null],
        ];
        for (const [text, name] of cases) {
            const url = await create(at.s, { length: 1,
                headers: { 'Upload-Metadata': text } });
            const answer = await headOf(at.s, url);
            assert.equal(answer.headers['upload-metadata'], text);
            const facts = await status(at.s, idOf(url));
            assert.equal(facts.json.filename, name);
        }
        const long = `k ${'A'.repeat(7000)}`;
        const url = await create(at.s, { length: 1,
            headers: { 'Upload-Metadata': long } });
        assert.equal((await headOf(at.s, url)).headers['upload-metadata'],
                     long);
    });

    test('20 metadata that is none: 400, nothing is left', async () => {
        const before = at.s.stateFiles().length;
        for (const text of ['a *', 'a QUJ', 'a QUJD,a QUJD', ',', 'a,,b',
                            'a QUJD QUJD', '\xe4 QUJD',
                            Array.from({ length: 65 }, (_, i) => `k${i}`)
                                .join(',')]) {
            const answer = await tus(at.s, 'POST', '/up',
                { 'Upload-Length': 1, 'Upload-Metadata': text }, EMPTY);
            assert.equal(answer.status, 400, text);
        }
        /* httpd's own bound */
        const answer = await request(at.s, { method: 'POST', path: '/up',
            headers: { 'Tus-Resumable': VERSION, 'Upload-Length': 1,
                       'Upload-Metadata': `k ${'A'.repeat(65536)}` } });
        assert.equal(answer.status, 400);
        assert.equal(at.s.stateFiles().length, before);
    });

    test('21 a length that comes later, and stays', async () => {
        const url = await create(at.s, {
            headers: { 'Upload-Defer-Length': 1 } });
        await append(at.s, url, 0, Buffer.from('abc'));
        const before = await headOf(at.s, url);
        assert.equal(before.headers['upload-defer-length'], '1');
        assert.equal(before.headers['upload-length'], undefined);
        /* below what is there */
        assert.equal((await patch(at.s, url, 3, EMPTY,
                                  { 'Upload-Length': 2 })).status, 403);
        await append(at.s, url, 3, Buffer.from('d'), { 'Upload-Length': 6 });
        const after = await headOf(at.s, url);
        assert.equal(after.headers['upload-length'], '6');
        assert.equal(after.headers['upload-defer-length'], undefined);
        assert.equal((await patch(at.s, url, 4, EMPTY,
                                  { 'Upload-Length': 7 })).status, 400);
        await append(at.s, url, 4, Buffer.from('ef'), { 'Upload-Length': 6 });
        assert.equal((await status(at.s, idOf(url))).json.status, 'complete');
    });

    test('21 an empty PATCH may bring the length of what is there',
         async () => {
        const url = await create(at.s, {
            headers: { 'Upload-Defer-Length': 1 } });
        await append(at.s, url, 0, Buffer.from('abc'));
        await append(at.s, url, 3, EMPTY, { 'Upload-Length': 3 });
        assert.equal((await status(at.s, idOf(url))).json.status, 'complete');
    });

    test('22 creation with bytes', async () => {
        const data = pattern(5000);
        for (const [part, state] of [[data, 'complete'],
                                     [data.subarray(0, 1234), 'uploading'],
                                     [EMPTY, 'uploading']]) {
            const answer = await tus(at.s, 'POST', '/up',
                { 'Upload-Length': 5000, 'Content-Type': CHUNK }, part);
            assert.equal(answer.status, 201);
            assert.equal(answer.headers['upload-offset'],
                         String(part.length));
            const url = resolve(answer.headers.location, '/up');
            assert.deepEqual(bytesOf(at.s, url), part);
            assert.equal((await status(at.s, idOf(url))).json.status, state);
        }
        /* of another type: no bytes of the upload */
        const answer = await tus(at.s, 'POST', '/up',
            { 'Upload-Length': 5, 'Content-Type': 'text/plain' },
            Buffer.from('hello'));
        assert.equal(answer.status, 201);
        assert.equal(answer.headers['upload-offset'], undefined);
        assert.equal(await offsetOf(at.s,
            resolve(answer.headers.location, '/up')), 0);
        const long = await tus(at.s, 'POST', '/up',
            { 'Upload-Length': 4, 'Content-Type': CHUNK },
            Buffer.from('hello'));
        assert.equal(long.status, 403);
    });

    test('23 Expect: 100-continue is answered by what will be', async () => {
        const url = await create(at.s, { length: 3 });
        const good = await patch(at.s, url, 0, Buffer.from('abc'),
                                 { Expect: '100-continue' });
        assert.equal(good.status, 204);
        assert.deepEqual(good.interim, [100]);
        const bad = await request(at.s, { method: 'PATCH', path: url,
            headers: { 'Tus-Resumable': VERSION, 'Upload-Offset': 1,
                       'Content-Type': CHUNK, Expect: '100-continue',
                       'Content-Length': 1000000 } });
        assert.equal(bad.status, 409);
        assert.deepEqual(bad.interim, []);
    });

    test('lengths above 4 GiB', async () => {
        const length = 5 * 2 ** 32 + 7;
        const url = await create(at.s, { length });
        await append(at.s, url, 0, Buffer.from('abc'));
        const answer = await headOf(at.s, url);
        assert.equal(answer.headers['upload-length'], String(length));
        const top = await create(at.s, { length: '9223372036854775807' });
        assert.equal((await headOf(at.s, top)).headers['upload-length'],
                     '9223372036854775807');
    });

    test('GET tells the status, also with Tus-Resumable', async () => {
        const url = await create(at.s, { length: 4 });
        const answer = await request(at.s, { path: url,
            headers: { 'Tus-Resumable': VERSION } });
        assert.equal(answer.status, 200);
        assert.equal(answer.json.length, 4);
    });
});
