/*
 * Multipart as clients write it: any order of fields, boundaries, preambles,
 * file names, and every split of the bytes on the wire.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_FOUND, NO_FILE, Wire, assertChunkOk, assertRefused, chunk,
         chunkRequest, complete, finish, formType, head, md5, multipart,
         offsetError, pattern, request, status } from './client.mjs';
import { ENDPOINTS, onServer, sleep } from './server.mjs';

const UNKNOWN = '0123456789abcdef0123456789abcdef';
const file = (data, more = {}) => ({ name: 'file', filename: 'a', data,
                                     ...more });
const idField = (value) => ({ name: 'upload_id', value });

onServer('fields', {}, (at) => {
    const begin = async (data = 'abc', total = 6) => assertChunkOk(
        await chunk(at.s, { start: 0, total, data: Buffer.from(data) }),
        data.length);
    const second = (id, o = {}) => chunk(at.s, { id, start: 3, total: 6,
        data: Buffer.from('def'), ...o });

    test('upload_id after the file part', async () => {
        const id = await begin();
        assertChunkOk(await second(id, { idAfter: true }), 6, id);
        await finish(at.s, id, Buffer.from('abcdef'));
    });

    test('upload_id after the file part, a large chunk', async () => {
        const data = pattern(3 << 20);
        const id = assertChunkOk(await chunk(at.s, { start: 0,
            total: data.length, data: data.subarray(0, 1000) }), 1000);
        assertChunkOk(await chunk(at.s, { id, idAfter: true, start: 1000,
            total: data.length, data: data.subarray(1000) }), data.length, id);
        await finish(at.s, id, data);
        assert.equal(at.s.stateFiles().length, at.s.partFiles().length);
    });

    test('upload_id after a file part that starts at 0', async () => {
        const id = await begin();
        const before = at.s.stateFiles().length;
        assertRefused(await chunk(at.s, { id, idAfter: true, start: 0,
            total: 6, data: Buffer.from('abcdef') }), 400, offsetError(3));
        assertRefused(await chunk(at.s, { id, idAfter: true,
            data: Buffer.from('abcdef') }), 400, offsetError(3));
        assert.equal(at.s.stateFiles().length, before);
        assertChunkOk(await second(id), 6, id);
        await finish(at.s, id, Buffer.from('abcdef'));
    });

    test('a late upload_id: unknown, wrong offset, none', async () => {
        const before = at.s.stateFiles().length;
        assertRefused(await second(UNKNOWN, { idAfter: true }), 404,
                      NOT_FOUND);
        assertRefused(await second('', { idAfter: true }), 400,
                      offsetError(0));
        assertRefused(await second('nonsense', { idAfter: true }), 404,
                      NOT_FOUND);
        assertRefused(await second(undefined), 400, offsetError(0));
        assert.equal(at.s.stateFiles().length, before);
        const id = await begin();
        assertRefused(await second(id, { idAfter: true, start: 2 }), 400,
                      offsetError(3));
        assert.equal((await status(at.s, id)).json.offset, 3);
    });

    test('a late empty upload_id makes a new upload', async () => {
        assertChunkOk(await chunk(at.s, { id: '', idAfter: true,
                                          data: 'abc' }), 3);
    });

    test('repeated upload_id: the last wins', async () => {
        const [a, b, c] = [await begin(), await begin(), await begin()];
        const part = file('def');
        const send = (parts) => chunk(at.s, { range: 'bytes 3-5/6', parts });
        assertChunkOk(await send([idField(a), idField(b), part]), 6, b);
        assertChunkOk(await send([idField(c), part, idField(a)]), 6, a);
        assert.equal((await status(at.s, c)).json.offset, 3);
        for (const id of [a, b]) {
            await finish(at.s, id, Buffer.from('abcdef'));
        }
        assertChunkOk(await second(c), 6, c);
        /* an id before the file is judged before the file is read */
        assertRefused(await send([idField(UNKNOWN), part, idField(a)]), 404,
                      NOT_FOUND);
    });

    test('two file parts: the last wins', async () => {
        const parts = [file('one'), { name: 'x', value: 'y' }, file('second')];
        const id = assertChunkOk(await chunk(at.s, { parts }), 6);
        await finish(at.s, id, Buffer.from('second'));
        const shorter = [file('longer one'), file('x')];
        const other = assertChunkOk(await chunk(at.s, { parts: shorter }), 1);
        await finish(at.s, other, Buffer.from('x'));
    });

    test('files of other names are skipped', async () => {
        const parts = [{ name: 'other', filename: 'b', data: pattern(70000) },
                       file('abc'),
                       { name: 'file2', filename: 'c', data: 'zzz' }];
        const id = assertChunkOk(await chunk(at.s, { parts }), 3);
        await finish(at.s, id, Buffer.from('abc'));
    });

    test('a text field of the file name is no file', async () => {
        assertRefused(await chunk(at.s, { parts: [
            { name: 'file', value: 'abc' }] }), 400, NO_FILE);
        assertRefused(await chunk(at.s, { parts: [] }), 400, NO_FILE);
        assertRefused(await chunk(at.s, { parts: [
            { name: 'file', filename: '', data: 'abc' }] }), 400, NO_FILE);
    });

    test('a raw body and a form-encoded body are no file', async () => {
        for (const type of ['application/octet-stream', undefined,
                            'application/x-www-form-urlencoded',
                            'text/plain', 'multipart/mixed; boundary=x']) {
            assertRefused(await request(at.s, { method: 'POST', path: '/up',
                headers: type ? { 'Content-Type': type } : {},
                body: Buffer.from('file=abc') }), 400, NO_FILE);
        }
    });

    test('long values of other fields are no obstacle', async () => {
        const parts = [{ name: 'note', value: 'x'.repeat(200000) },
                       file('abc')];
        assertChunkOk(await chunk(at.s, { parts }), 3);
    });
});

onServer('another field name', {
    endpoints: '',
    conf: ENDPOINTS + `<Location "/up">
    ChunkedUploadFieldName the_file
</Location>`
}, (at) => {
    test('the_file', async () => {
        const id = assertChunkOk(await chunk(at.s, { field: 'the_file',
                                                     data: 'abc' }), 3);
        await finish(at.s, id, Buffer.from('abc'));
        assertRefused(await chunk(at.s, { data: 'abc' }), 400, NO_FILE);
    });
});

onServer('boundaries and bytes', {}, (at) => {
    const stored = async (answer, data) => {
        const id = assertChunkOk(answer, data.length);
        await finish(at.s, id, Buffer.from(data));
    };

    test('quoted, unquoted, with other parameters', async () => {
        const types = {
            'multipart/form-data; boundary=abc': 'abc',
            'multipart/form-data; boundary="abc"': 'abc',
            'Multipart/Form-Data; BOUNDARY=abc': 'abc',
            'multipart/form-data; charset=utf-8; boundary=abc': 'abc',
            'multipart/form-data; boundary=abc; charset=utf-8': 'abc',
            'multipart/form-data;boundary=abc': 'abc',
            'multipart/form-data; boundary="a b:c,d/e"': 'a b:c,d/e',
            ['multipart/form-data; boundary=' + 'x'.repeat(70)]: 'x'.repeat(70)
        };
        for (const [type, boundary] of Object.entries(types)) {
            await stored(await chunk(at.s, { type, form: { boundary },
                                             data: 'abc' }), 'abc');
        }
    });

    test('preamble and epilogue', async () => {
        await stored(await chunk(at.s, { data: 'abc', form: {
            preamble: 'This is MIME.\r\nReally.', epilogue: 'bye\r\nbye' }
        }), 'abc');
    });

    test('data that looks like a boundary', async () => {
        const b = 'cu-test-boundary-7MA4YWxk';
        for (const data of [`--${b.slice(1)}`, `\r\n--${b.slice(0, -1)}`,
            '\r\n', '\r', '\r\n--', `\n--${b}\r\n`,
            `\r\n\r\n--${b.slice(0, -1)}\r\n`,
            `x\r\n-${b}--\r\n`, '\r\r\n\r\n-\r\n--\r\n--c',
            `\r--${b}--`, '--\r\n'.repeat(1000)]) {
            await stored(await chunk(at.s, { data: Buffer.from(data) }), data);
        }
    });

    test('every byte value', async () => {
        const data = Buffer.alloc(256 * 9);
        for (let i = 0; i < data.length; i++) {
            data[i] = (i * 7 + (i >> 8)) & 0xff;
        }
        await stored(await chunk(at.s, { data }), data);
    });

    test('sizes around the buffers', async () => {
        for (const base of [8000, 8192, 65536, 262144]) {
            for (const size of [base - 1, base, base + 1]) {
                const data = pattern(size, size);
                await stored(await chunk(at.s, { data }), data);
            }
        }
    });

    /* SEC-24: the same result whatever the pieces on the wire. */
    const tricky = Buffer.from('abc\r\n--cu-test-boundary-7MA4YWx\r\ndef');
    const trickyRequest = () => chunkRequest({ data: tricky, id: '',
                                               filename: 'a b.txt' });
    const inPieces = async (r, cuts) => {
        const wire = await Wire.open(at.s);
        await wire.write(head('POST', '/up', { ...r.headers,
            'Content-Length': r.body.length }));
        let from = 0;
        for (const cut of [...cuts, r.body.length]) {
            await wire.write(r.body.subarray(from, cut));
            from = cut;
            await sleep(1);
        }
        const answer = await wire.answer();
        wire.close();
        await stored(answer, tricky);
    };

    test('every byte its own packet', async () => {
        const r = trickyRequest();
        await inPieces(r, Array.from({ length: r.body.length - 1 },
                                     (_, i) => i + 1));
    });

    test('one split at every position', async () => {
        const r = trickyRequest();
        for (let cut = 1; cut < r.body.length; cut++) {
            await inPieces(r, [cut]);
        }
    });
});

onServer('file names', {}, (at) => {
    const nameOf = async (o) => {
        const answer = await chunk(at.s, { data: 'x', ...o });
        const id = assertChunkOk(answer, 1);
        return (await status(at.s, id)).json.filename;
    };

    const names = {
        'plain.txt': 'plain.txt',
        '../../etc/x': 'x',
        '/abs/path/y.txt': 'y.txt',
        'C:\\\\Users\\\\me\\\\z.doc': 'z.doc',
        'n\u00e4me \u65e5\u672c.txt': 'n\u00e4me \u65e5\u672c.txt',
        '..': 'upload',
        '.': 'upload',
        '/': 'upload',
        '  blanks  ': 'blanks',
        'bell\u0007del\u007f.txt': 'belldel.txt',
        'rtl\u202etxt.exe': 'rtltxt.exe',
        '%2e%2e%2fx': '%2e%2e%2fx',
        '</script>.html': 'script>.html'
    };
    for (const [sent, kept] of Object.entries(names)) {
        test(`filename ${JSON.stringify(sent)}`, async () => {
            assert.equal(await nameOf({ filename: sent }), kept);
        });
    }

    test('quotes inside a name', async () => {
        assert.equal(await nameOf({ filename: 'a\\"b.txt' }), 'a"b.txt');
        assert.equal(await nameOf({ filename: 'a%22b.txt' }), 'a%22b.txt');
    });

    test('filename* wins over filename', async () => {
        assert.equal(await nameOf({ filename: 'fallback.txt',
            filenameStar: "UTF-8''%e2%82%ac%20rates.txt" }),
            '\u20ac rates.txt');
    });

    test('a name of 255 bytes is kept, a longer one cut', async () => {
        const name = 'a'.repeat(251) + '.txt';
        assert.equal(await nameOf({ filename: name }), name);
        const cut = await nameOf({ filename: 'b'.repeat(600) + '.jpeg' });
        assert.equal(cut, 'b'.repeat(250) + '.jpeg');
        const umlauts = await nameOf({
            filename: '\u00e4'.repeat(300) + '.txt' });
        assert.ok(Buffer.byteLength(umlauts) <= 255);
        assert.match(umlauts, /^\u00e4+\.txt$/);
    });

    test('invalid UTF-8 is shown as U+FFFD, in valid JSON', async () => {
        const body = multipart([{ headers: 'Content-Disposition: form-data; '
            + 'name="file"; filename="a@@b.txt"', data: 'x' }]);
        const at2 = body.indexOf('@@');
        body[at2] = 0xff;
        body[at2 + 1] = 0xc3;
        const answer = await request(at.s, { method: 'POST', path: '/up', body,
            headers: { 'Content-Type': formType() } });
        const id = assertChunkOk(answer, 1);
        const name = (await status(at.s, id)).json.filename;
        assert.match(name, /^a\ufffd+b\.txt$/);
    });

    test('the name of the first chunk stays', async () => {
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 2,
            data: Buffer.from('a'), filename: 'first.txt' }), 1);
        assertChunkOk(await chunk(at.s, { id, start: 1, total: 2,
            data: Buffer.from('b'), filename: 'second.txt' }), 2, id);
        assert.equal((await status(at.s, id)).json.filename, 'first.txt');
        assertRefused(await complete(at.s, { id, md5: md5('ab') }), 200, '{}');
    });

    test('no part file is ever named by a client', async () => {
        await nameOf({ filename: '.htaccess' });
        await nameOf({ filename: 'shell.php' });
        for (const name of at.s.partFiles()) {
            assert.match(name, /\/[0-9a-f]{32}\.part$/);
        }
    });
});
