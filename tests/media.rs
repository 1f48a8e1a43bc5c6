//! Sound, videos and boxes: the files that are written, read by their formats' own rules, and what is refused.

#![allow(clippy::unwrap_used)] // helpers of tests

#[path = "support/system.rs"]
mod system;

use convscope::{
    Audio, Bucket, Figure, Image, Kind, MemorySink, PrCurve, Step, Summary, SummarySink, SummaryWriter,
    Table, Tensor, Video, proto::event::What, summary::PrRows,
};

/// A WAV file by hand: whole numbers of 16 bits.
fn wav(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let bytes = 2 * samples.len() as u32;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(1_u16.to_le_bytes()); // PCM
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(channels) * 2).to_le_bytes());
    file.extend((channels * 2).to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    samples.iter().for_each(|sample| file.extend(sample.to_le_bytes()));
    file
}

#[test]
fn sound_is_a_wav_file_of_16_bits() {
    let mono = Audio::mono(8000, &[0.0, 1.0, -1.0, 0.5, -0.25, 1e-9]).unwrap();
    assert_eq!(mono.wav(), wav(8000, 1, &[0, 32767, -32767, 16384, -8192, 0]));
    let stereo = Audio::stereo(44_100, &[[0.0, 1.0], [0.5, -1.0]]).unwrap();
    assert_eq!(stereo.wav(), wav(44_100, 2, &[0, 32767, 16384, -32767]));
    assert_eq!((stereo.sample_rate(), stereo.channels(), stereo.frames()), (44_100, 2, 2));
}

#[test]
fn sound_beyond_the_range_is_clipped() {
    let audio = Audio::mono(8000, &[1.5, -7.0, f32::MAX]).unwrap();
    assert_eq!(audio.wav(), wav(8000, 1, &[32767, -32767, 32767]));
}

#[test]
fn sound_that_no_one_can_play_is_refused() {
    let error = |result: convscope::Result<Audio>| result.unwrap_err().to_string();
    assert_eq!(
        error(Audio::mono(2999, &[0.0])),
        "audio: 2999 samples per second; 3000 to 384000 can be played"
    );
    assert_eq!(
        error(Audio::mono(384_001, &[0.0])),
        "audio: 384001 samples per second; 3000 to 384000 can be played"
    );
    assert!(Audio::mono(3000, &[0.0]).is_ok() && Audio::mono(384_000, &[0.0]).is_ok());
    assert_eq!(error(Audio::mono(8000, &[])), "audio: it has no samples; a clip takes at least one");
    assert_eq!(
        error(Audio::stereo(8000, &[[0.0, 0.0], [0.0, f32::NAN]])),
        "audio: sample 1 of channel 1 is NaN; it must be a number from -1 to 1"
    );
    assert!(error(Audio::mono(8000, &[0.0, f32::NEG_INFINITY])).contains("sample 1 of channel 0 is -inf"));
}

#[test]
fn wav_files_are_taken_as_they_are() {
    let file = wav(22_050, 2, &[1, -1, 2, -2]);
    let audio = Audio::from_wav(file.clone()).unwrap();
    assert_eq!((audio.sample_rate(), audio.channels(), audio.frames()), (22_050, 2, 2));
    assert_eq!(audio.wav(), file);

    // A chunk that is not known, before the sound and after it.
    let mut with_chunks = file[..36].to_vec();
    with_chunks.extend(b"LIST\x04\0\0\0INFO");
    with_chunks.extend(&file[36..]);
    with_chunks.extend(b"note\x02\0\0\0hi");
    assert_eq!(Audio::from_wav(with_chunks.clone()).unwrap().wav(), with_chunks);
}

#[test]
fn wav_files_that_cannot_be_played_are_refused() {
    let refused = |file: Vec<u8>, why: &str| {
        let error = Audio::from_wav(file).unwrap_err().to_string();
        assert!(error.contains(why), "{error:?} does not say {why:?}");
    };
    refused(wav(8000, 1, &[]), "no samples");
    refused(wav(100, 1, &[1]), "100 samples per second");
    refused(wav(8000, 9, &[1; 9]), "9 channels");
    refused(b"ID3".to_vec(), "WAV file");
    let whole = wav(8000, 1, &[1, 2, 3]);
    for end in 0..whole.len() {
        assert!(Audio::from_wav(whole[..end].to_vec()).is_err(), "cut after {end} bytes");
    }
    refused(whole[..whole.len() - 1].to_vec(), "ends after 5 of 6 bytes");
    let mut compressed = whole;
    compressed[20] = 2; // ADPCM
    refused(compressed, "WAV file");
}

/// Damage is taken or refused, but never a panic; and what is taken says what its header says.
/// The longest clip there can be is read back by our reader as it is by default; one sample more is refused.
#[test]
fn sound_that_is_too_long_to_be_read_is_refused() {
    let most = ((64 << 20) - (64 << 10) - 44) / 2;
    let error = Audio::mono(48_000, &vec![0.0; most + 1]).unwrap_err().to_string();
    assert!(error.contains("it takes 67043330 bytes; at most 67043328"), "{error}");
    let clip = Audio::mono(48_000, &vec![0.0; most]).unwrap();
    assert!(Audio::from_wav([clip.wav(), &[0]].concat()).is_err());
    let short = Audio::mono(48_000, &[0.0]).unwrap();
    assert!(Summary::audios(vec![clip.clone(), short]).is_err(), "together they are too long");

    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(run.path()).unwrap();
    writer.add("long", Summary::audios(vec![clip]).unwrap().with_description("d".repeat(10_000)), 0).unwrap();
    writer.close().unwrap();
    assert!(matches!(system::events(run.path()).last().unwrap().what, Some(What::Summary(_))));
}

#[test]
fn no_byte_of_a_wav_file_breaks_the_reader() {
    let whole = wav(8000, 2, &[1, 2, 3, 4]);
    for at in 0..whole.len() {
        for byte in 0..=u8::MAX {
            let mut file = whole.clone();
            file[at] = byte;
            if let Ok(audio) = Audio::from_wav(file.clone()) {
                assert_eq!(u32::from_le_bytes(file[24..28].try_into().unwrap()), audio.sample_rate());
                assert!(audio.frames() > 0 && (1..=8).contains(&audio.channels()));
            }
        }
    }
}

/// Pictures of noise, each different.
fn frames(count: u8, channels: u8) -> Vec<Image> {
    let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 11) as u8;
    let frame = |seed: u8| {
        let pixels = |count: u32| (0..count).map(|i| noise(i + 997 * u32::from(seed))).collect::<Vec<u8>>();
        match channels {
            1 => Image::gray(20, 15, pixels(300)),
            3 => Image::rgb(20, 15, pixels(900)),
            _ => Image::rgba(20, 15, pixels(1200)),
        }
    };
    (0..count).map(|seed| frame(seed).unwrap()).collect()
}

#[test]
fn a_video_is_an_animated_png_of_all_colours() {
    for channels in [1, 3, 4] {
        let frames = frames(5, channels);
        let file = Video::new(frames.clone(), 12.5).unwrap().to_file().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let animation = *reader.info().animation_control().unwrap();
        assert_eq!((animation.num_frames, animation.num_plays), (5, 0), "played for ever");
        for frame in &frames {
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert_eq!(pixels, frame.pixels(), "{channels} channels");
            let control = reader.info().frame_control().unwrap();
            assert_eq!(f64::from(control.delay_den) / f64::from(control.delay_num), 12.5);
            assert_eq!(control.blend_op, png::BlendOp::Source, "a frame replaces the one before");
        }
    }
}

#[test]
fn rates_of_a_video_are_exact_to_a_thousandth() {
    for fps in [0.02_f64, 0.05, 0.3, 1.0, 23.976, 29.97, 60.0] {
        let file = Video::new(frames(2, 1), fps).unwrap().to_file().unwrap();
        let reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let control = *reader.info().frame_control().unwrap();
        let found = f64::from(control.delay_den) / f64::from(control.delay_num);
        assert!((found / fps - 1.0).abs() < 1e-3, "{fps}: {found}");
    }
}

/// Delays in hundredths of a second, and the pixels as RGBA.
fn read_gif(file: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(file).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        assert_eq!((frame.left, frame.top, frame.width, frame.height), (0, 0, 20, 15));
        frames.push((frame.delay, frame.buffer.to_vec()));
    }
    assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
    frames
}

#[test]
fn a_gif_of_few_colours_keeps_them() {
    let frames = frames(3, 1);
    let read = read_gif(&Video::new(frames.clone(), 10.0).unwrap().gif().to_file().unwrap());
    assert_eq!(read.len(), 3);
    for ((delay, pixels), frame) in read.iter().zip(&frames) {
        let gray: Vec<u8> = pixels.chunks_exact(4).map(|pixel| pixel[0]).collect();
        assert_eq!((*delay, &gray[..]), (10, frame.pixels()));
    }
}

#[test]
fn a_gif_of_many_colours_comes_close() {
    let size = 60;
    let pixels: Vec<u8> =
        (0..size * size).flat_map(|i| [i % size * 4, i / size * 4, 100].map(|c| c as u8)).collect();
    let image = Image::rgb(size, size, pixels.clone()).unwrap();
    let file = Video::new(vec![image], 10.0).unwrap().gif().to_file().unwrap();
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(&file[..]).unwrap();
    let frame = decoder.read_next_frame().unwrap().unwrap();
    let far: u32 = (frame.buffer.chunks_exact(4).flat_map(|pixel| &pixel[..3]))
        .zip(&pixels)
        .map(|(&a, &b)| u32::from(a.abs_diff(b)))
        .sum();
    let mean = f64::from(far) / pixels.len() as f64;
    assert!(mean < 6.0, "{mean} of 255 away from the colours in the mean");
}

#[test]
fn times_of_a_gif_do_not_drift() {
    for (fps, hundredths) in [(30.0, 200.0), (7.0, 857.0), (48.0, 125.0), (0.02, 300_000.0), (60.0, 120.0)] {
        let read = read_gif(&Video::new(frames(60, 1), fps).unwrap().gif().to_file().unwrap());
        let delays: Vec<u16> = read.iter().map(|(delay, _)| *delay).collect();
        assert_eq!(delays.iter().map(|&delay| f64::from(delay)).sum::<f64>(), hundredths, "{fps}");
        assert!(delays.iter().all(|&delay| delay >= 2), "{fps}: browsers slow down shorter times");
    }
}

#[test]
fn pixels_of_a_gif_are_seen_or_not() {
    let image = Image::rgba(20, 15, [[200, 10, 10, 255], [1, 2, 3, 0]].concat().repeat(150)).unwrap();
    let read = read_gif(&Video::new(vec![image], 1.0).unwrap().gif().to_file().unwrap());
    assert_eq!(read[0].1[..4], [200, 10, 10, 255]);
    assert_eq!(read[0].1[7], 0);
}

#[test]
fn videos_that_cannot_be_shown_are_refused() {
    let error = |frames: Vec<Image>, fps: f64| Video::new(frames, fps).unwrap_err().to_string();
    assert_eq!(error(Vec::new(), 5.0), "video: it has no frames; it takes at least one");
    let mixed = [frames(2, 3), frames(1, 4)].concat();
    assert_eq!(
        error(mixed, 5.0),
        "video: frame 2 has 20 x 15 pixels of 4 channels, frame 0 has 20 x 15 of 3"
    );
    for fps in [0.0, -1.0, 61.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
        assert!(error(frames(1, 1), fps).ends_with("frames per second; 0.02 to 60 can be shown"), "{fps}");
    }
}

#[test]
fn a_video_too_wide_for_a_gif_is_an_error_of_the_writer() {
    let wide = Image::gray(65_536, 1, vec![0; 65_536]).unwrap();
    let video = Video::new(vec![wide], 1.0).unwrap();
    assert!(video.to_file().is_ok());
    let error = video.clone().gif().to_file().unwrap_err().to_string();
    assert!(error.starts_with("video: it cannot be written as GIF: "), "{error}");

    let logs = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(logs.path()).unwrap();
    writer.add_video("wide", video.gif(), 0).unwrap();
    let error = writer.close().unwrap_err().to_string();
    assert!(error.contains("GIF"), "{error}");
}

/// Under the name of a page a tensor of any shape would break it, or be shown nowhere.
#[test]
fn tensors_under_the_names_of_own_pages_are_refused() {
    for (page, method) in [
        ("scalars", "scalar"),
        ("histograms", "histogram"),
        ("images", "image"),
        ("text", "text"),
        ("audio", "audio"),
        ("pr_curves", "pr_curve"),
        ("custom_scalars", "custom_scalars"),
        ("mesh", "mesh"),
        ("hparams", "hparams"),
        ("graphs", "graph"),
        ("graph_keras_model", "conceptual_graph"),
        ("projector", "embedding"),
    ] {
        let error = Summary::tensor(page, Vec::new(), Tensor::scalar(1.0_f32)).unwrap_err().to_string();
        let expected = format!("plugin `{page}` of a tensor: ");
        assert!(error.starts_with(&expected) && error.contains(&format!("`Summary::{method}`")), "{error}");
    }
}

#[test]
fn tensors_of_one_tag_are_of_one_plugin() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(run.path()).unwrap();
    let of = |plugin: &str, content: &[u8], value: f32| {
        Summary::tensor(plugin, content.to_vec(), Tensor::scalar(value)).unwrap()
    };
    writer.add("a", of("one", b"1", 0.0), 0).unwrap();
    writer.add("a", of("one", b"1", 1.0), 1).unwrap();
    for other in [of("two", b"1", 2.0), of("one", b"2", 2.0), of("one1", b"", 2.0)] {
        let error = writer.add("a", other, 2).unwrap_err().to_string();
        assert!(error.starts_with("tag `a` of run ``: its plugin, or what the plugin keeps"), "{error}");
    }
    // The method for scripts names a plugin too.
    writer.add_tensor("a", Tensor::scalar(2.0_f32), 2).unwrap_err();
    writer.add("b", of("two", b"1", 0.0), 0).unwrap();
    writer.close().unwrap();
}

#[test]
fn nothing_is_not_shown() {
    assert!(Summary::audios(Vec::new()).is_err() && Summary::videos(Vec::new()).is_err());
    assert!(Summary::tensor("", Vec::new(), Tensor::scalar(1.0_f32)).is_err());
    assert!(Tensor::new(&[usize::MAX, 3], vec![0_u8; 5]).is_err());
    assert!(Tensor::new::<u8>(&[4, 0], Vec::new()).is_ok());
}

#[test]
fn a_figure_is_drawn_when_it_is_added() {
    let logs = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(logs.path()).unwrap();
    let failing = || -> convscope::Result<Image> { Err(convscope::Error::invalid("figure", "no ink")) };
    assert_eq!(writer.add_figure("figure", &failing, 0).unwrap_err().to_string(), "figure: no ink");
    let image = Image::gray(1, 1, vec![9]).unwrap();
    writer.add_figure("figure", &image, 0).unwrap();
    writer.add_figure("figure", &|| image.to_image(), 1).unwrap();
    writer.close().unwrap();
}

#[test]
fn every_sink_takes_them() {
    let mut memory = MemorySink::default();
    let sink: &mut dyn SummarySink = &mut memory;
    let mut sub = sink.sub_run("train");
    sub.add_audio("sound", Audio::mono(8000, &[0.0]).unwrap(), Step::new(1)).unwrap();
    sub.add_video("video", Video::new(frames(1, 1), 1.0).unwrap(), Step::new(1)).unwrap();
    sub.add_tensor("tensor", Tensor::scalar("text".to_owned()), Step::new(1)).unwrap();
    sub.add_table("table", &Table::new(["a", "b"]), Step::new(1)).unwrap();
    let image = Image::gray(1, 1, vec![0]).unwrap();
    sub.add_figure("figure", &|| Image::gray(5, 1, vec![1; 5]), Step::new(1)).unwrap();
    sub.add_image_with_boxes("boxes", &image, &[], Step::new(1)).unwrap();
    let [sound, video, tensor, table, figure, boxes] = &memory.entries[..] else {
        panic!("{:?}", memory.entries)
    };
    assert_eq!(sound.summary.as_audio().unwrap()[0].frames(), 1);
    assert_eq!(video.summary.as_videos().unwrap()[0].frames().len(), 1);
    assert_eq!(tensor.summary.as_tensor().unwrap().values::<String>().unwrap(), ["text"]);
    assert_eq!(table.summary.as_text().unwrap(), "| a | b |\n|---|---|\n");
    let width = |entry: &convscope::Entry| entry.summary.as_images().unwrap()[0].width();
    assert_eq!((width(figure), width(boxes)), (5, 350));
    assert!(memory.entries.iter().all(|entry| entry.run == "train"));
}

/// What was computed elsewhere goes to every sink too, after the same checks as the writer's.
#[test]
fn every_sink_takes_raw_values() {
    let mut memory = MemorySink::default();
    let sink: &mut dyn SummarySink = &mut memory;
    let bucket = Bucket { left: 0.0, right: 1.0, count: 7 };
    sink.add_histogram_raw("counts", &[bucket], Step::new(2)).unwrap();
    assert!(sink.add_histogram_raw("counts", &[bucket, bucket], Step::new(3)).is_err(), "they overlap");
    let row = [1.0, 0.5, 0.0];
    let rows = PrRows {
        true_positives: &row,
        false_positives: &row,
        true_negatives: &row,
        false_negatives: &row,
        precision: &row,
        recall: &row,
    };
    sink.add_pr_curve_raw("curve", &rows, Step::new(2)).unwrap();
    assert!(sink.add_pr_curve_raw("curve", &PrRows { recall: &row[..2], ..rows }, Step::new(3)).is_err());
    let [counts, curve] = &memory.entries[..] else { panic!("{:?}", memory.entries) };
    assert_eq!((counts.summary.as_buckets().unwrap().len(), counts.summary.kind()), (1, Kind::Histogram));
    assert_eq!(curve.summary.as_pr_curve(), Some(&PrCurve::raw(&rows).unwrap()));
}
