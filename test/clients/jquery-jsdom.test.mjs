/*
 * jQuery File Upload under jsdom, driven as the page of django-chunked-upload
 * drives it.  A recorder between the two keeps every request as it was on the
 * wire, so that the sequence is compared exactly.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';

import { JSDOM } from 'jsdom';

import { NO_AUTH, md5, pattern, request, sha256, status }
    from '../http/client.mjs';
import { onServer } from '../http/server.mjs';
import { LIBRARIES, library } from './page.mjs';

const UP = '/api/chunked_upload/';
const DONE = '/api/chunked_upload_complete/';
const CHUNK = 100000;
const CSRF = { name: 'csrfmiddlewaretoken', value: 'token' };
const ACCEPT = 'application/json, text/javascript, */*; q=0.01';

/** Passes requests on and keeps them. */
class Recorder {
    static async open(s)
    {
        const recorder = new Recorder();
        recorder.seen = [];
        recorder.server = http.createServer((req, res) => {
            const pieces = [];
            req.on('data', (d) => pieces.push(d));
            req.on('end', () => recorder.pass(s, req, Buffer.concat(pieces),
                                              res));
        });
        await new Promise((go) => recorder.server.listen(0, '127.0.0.1', go));
        recorder.base = `http://127.0.0.1:${recorder.server.address().port}`;
        return recorder;
    }

    pass(s, req, body, res)
    {
        this.seen.push({ method: req.method, url: req.url,
                         headers: req.headers, body });
        const onward = http.request({ host: '127.0.0.1', port: s.port,
            method: req.method, path: req.url, headers: req.headers },
            (answer) => {
                res.writeHead(answer.statusCode, answer.headers);
                answer.pipe(res);
            });
        onward.on('error', () => res.destroy());
        onward.end(body);
    }

    /* What a test compares: the form as [name, value] or [name, [filename,
     * size]], and the headers that the plugin adds. */
    async requests()
    {
        return Promise.all(this.seen.map(async ({ method, url, headers,
                                                  body }) => {
            const form = await new Response(body, {
                headers: { 'Content-Type': headers['content-type'] }
            }).formData();
            return {
                method, url, range: headers['content-range'],
                disposition: headers['content-disposition'],
                form: [...form].map(([name, value]) =>
                    [name, typeof value === 'string' ? value
                        : [value.name, value.size]])
            };
        }));
    }

    close()
    {
        this.server.closeAllConnections();
        this.server.close();
    }
}

/** A window with jQuery, the plugin and one file input. */
function openWindow(base, input)
{
    const dom = new JSDOM(`<!DOCTYPE html><body>${input}</body>`,
                          { url: `${base}/page.html`,
                            runScripts: 'outside-only' });
    for (const name of LIBRARIES) {
        dom.window.eval(library(name).toString());
    }
    return dom.window;
}

function md5InPage(window, file)
{
    return new Promise((go, no) => {
        const reader = new window.FileReader();
        reader.onload = () =>
            go(window.SparkMD5.ArrayBuffer.hash(reader.result));
        reader.onerror = () => no(reader.error);
        reader.readAsArrayBuffer(file);
    });
}

const fileOf = (window, data, name) =>
    new window.File([new window.Uint8Array(data)], name,
                    { type: 'video/mp4' });

/*
 * The page's script: the id of the first answer goes into the form data of
 * all later chunks, and into the completion with the md5.
 * @return what the plugin's `done` or `fail` was given
 */
function uploadAsPage(window, file, options = {})
{
    const { $ } = window;
    const formData = [CSRF];
    return new Promise((go) => {
        $('#chunked_upload').fileupload({
            url: UP, dataType: 'json', maxChunkSize: CHUNK, formData,
            chunkdone: (event, data) => {
                if (formData.length < 2) {
                    formData.push({ name: 'upload_id',
                                    value: data.result.upload_id });
                }
            },
            done: (event, data) => go({ ...data.result }),
            fail: (event, data) => go({ failed: data.jqXHR?.status,
                                        detail: data.jqXHR?.responseJSON }),
            ...options
        });
        $('#chunked_upload').fileupload('add', { files: [file] });
    });
}

async function completeAsPage(window, file, id)
{
    const sum = await md5InPage(window, file);
    return window.$.ajax({ type: 'POST', url: DONE, dataType: 'json',
                           data: { [CSRF.name]: CSRF.value, upload_id: id,
                                   md5: sum } });
}

const INPUT = '<input id="chunked_upload" type="file" name="the_file">';

onServer('jQuery File Upload under jsdom', {
    endpoints: `
<Location "${UP}">
    SetHandler chunked-upload
    ChunkedUploadFieldName the_file
</Location>
<Location "${DONE}">
    SetHandler chunked-upload-complete
</Location>
<Location "/default">
    SetHandler chunked-upload
    ChunkedUploadFieldName files[]
</Location>
<Location "/members">
    SetHandler chunked-upload
    ChunkedUploadFieldName the_file
    ChunkedUploadAnonymous Off
</Location>`
}, (at) => {
    const withPage = (input, body) => async () => {
        const recorder = await Recorder.open(at.s);
        const window = openWindow(recorder.base, input);
        try {
            await body(window, recorder);
        } finally {
            window.close();
            recorder.close();
        }
    };
    const assertStored = (id, data) => assert.equal(
        sha256(fs.readFileSync(at.s.partFile(id))), sha256(data));

    test('a file in three chunks, as the page of the seed sends it',
         withPage(INPUT, async (window, recorder) => {
        const data = pattern(250000);
        const name = 'trip video \u00e9.mp4';
        const file = fileOf(window, data, name);
        const answer = await uploadAsPage(window, file);
        const id = answer.upload_id;
        assert.deepEqual(Object.keys(answer),
                         ['upload_id', 'offset', 'expires']);
        assert.equal(answer.offset, 250000);
        const post = (range, fields, size) => ({
            method: 'POST', url: UP, range,
            disposition: 'attachment; filename="trip%20video%20%C3%A9.mp4"',
            form: [[CSRF.name, CSRF.value], ...fields,
                   ['the_file', [name, size]]]
        });
        const known = [['upload_id', id]];
        assert.deepEqual(await recorder.requests(), [
            post('bytes 0-99999/250000', [], 100000),
            post('bytes 100000-199999/250000', known, 100000),
            post('bytes 200000-249999/250000', known, 50000)]);
        for (const { headers } of recorder.seen) {
            assert.equal(headers['x-requested-with'], 'XMLHttpRequest');
            assert.equal(headers.accept, ACCEPT);
        }

        recorder.seen.length = 0;
        assert.equal(JSON.stringify(await completeAsPage(window, file, id)),
                     '{}');
        assert.equal(recorder.seen.length, 1);
        assert.equal(recorder.seen[0].body.toString(),
                     `csrfmiddlewaretoken=token&upload_id=${id}&md5=${
                         md5(data)}`);
        assertStored(id, data);
        const known2 = await status(at.s, id, { path: '/api/chunked_upload' });
        assert.equal(known2.json.status, 'complete');
        assert.equal(known2.json.filename, name);
    }));

    for (const size of [0, 1, 99999, CHUNK]) {
        test(`${size} bytes go in one request without Content-Range`,
             withPage(INPUT, async (window, recorder) => {
            const data = pattern(size);
            const file = fileOf(window, data, 'small.bin');
            const answer = await uploadAsPage(window, file);
            assert.equal(answer.offset, size);
            assert.deepEqual(await recorder.requests(), [{
                method: 'POST', url: UP, range: undefined,
                disposition: undefined,
                form: [[CSRF.name, CSRF.value],
                       ['the_file', ['small.bin', size]]] }]);
            await completeAsPage(window, file, answer.upload_id);
            assertStored(answer.upload_id, data);
        }));
    }

    test('one byte more than a chunk goes in two', withPage(INPUT,
         async (window, recorder) => {
        const data = pattern(CHUNK + 1);
        const file = fileOf(window, data, 'two.bin');
        const answer = await uploadAsPage(window, file);
        assert.deepEqual((await recorder.requests()).map((r) => r.range),
                         [`bytes 0-99999/${CHUNK + 1}`,
                          `bytes 100000-100000/${CHUNK + 1}`]);
        await completeAsPage(window, file, answer.upload_id);
        assertStored(answer.upload_id, data);
    }));

    test('an input without a name: the field is files[]',
         withPage('<input id="chunked_upload" type="file">',
                  async (window, recorder) => {
        const data = pattern(150000);
        const file = fileOf(window, data, 'a.bin');
        const answer = await uploadAsPage(window, file, { url: '/default' });
        assert.deepEqual((await recorder.requests())
            .map((r) => r.form.at(-1)[0]), ['files[]', 'files[]']);
        assert.equal(answer.offset, 150000);
        assertStored(answer.upload_id, data);
    }));

    test('paramName the_file at an endpoint for files[]: the words arrive',
         withPage('<input id="chunked_upload" type="file">',
                  async (window) => {
        const answer = await uploadAsPage(window,
            fileOf(window, pattern(10), 'a.bin'),
            { url: '/default', paramName: 'the_file' });
        assert.equal(answer.failed, 400);
        assert.equal(answer.detail.detail, 'No chunk file was submitted');
    }));

    test('going on with uploadedBytes after the page was left',
         withPage(INPUT, async (window, recorder) => {
        const data = pattern(350000);
        const file = fileOf(window, data, 'long.bin');
        let id;
        await uploadAsPage(window, file, {
            chunkdone: (event, { result }) => { id = result.upload_id; },
            chunkbeforesend: (event, o) => {
                o.formData = id ? [{ name: 'upload_id', value: id }] : [];
            },
            /* the page is left during the second chunk */
            chunksend: () => id === undefined
        });
        assert.equal(recorder.seen.length, 1);

        const later = openWindow(recorder.base, INPUT);
        const told = await later.$.getJSON(`${UP}${id}`);
        assert.equal(told.offset, 100000);
        const again = fileOf(later, data, 'long.bin');
        recorder.seen.length = 0;
        const answer = await uploadAsPage(later, again, {
            uploadedBytes: told.offset,
            formData: [{ name: 'upload_id', value: id }]
        });
        assert.equal(answer.offset, 350000);
        assert.deepEqual((await recorder.requests()).map((r) => r.range),
                         ['bytes 100000-199999/350000',
                          'bytes 200000-299999/350000',
                          'bytes 300000-349999/350000']);
        await completeAsPage(later, again, id);
        assertStored(id, data);
        later.close();
    }));

    test('a wrong offset ends in fail, with the offset to go on at',
         withPage(INPUT, async (window) => {
        const data = pattern(300000);
        const file = fileOf(window, data, 'b.bin');
        let id;
        await uploadAsPage(window, file, {
            chunkdone: (event, { result }) => { id = result.upload_id; },
            chunksend: () => id === undefined
        });
        const answer = await uploadAsPage(window, file, {
            uploadedBytes: 200000,
            formData: [{ name: 'upload_id', value: id }], chunksend: null
        });
        assert.deepEqual({ ...answer, detail: { ...answer.detail } }, {
            failed: 400,
            detail: { detail: 'Offsets do not match', offset: 100000 } });
    }));

    test('a refusal is JSON that the plugin can show', withPage(INPUT,
         async (window) => {
        const answer = await uploadAsPage(window,
            fileOf(window, pattern(250000), 'c.bin'), { url: '/members' });
        assert.equal(answer.failed, 403);
        assert.equal(answer.detail.detail, JSON.parse(NO_AUTH).detail);
        assert.equal((await request(at.s, { path: '/members' })).status, 405);
    }));
});
