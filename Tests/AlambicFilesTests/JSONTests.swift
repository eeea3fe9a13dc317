import Foundation
import Testing

@testable import AlambicFiles

@Suite struct JSONTests {
    func parse(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8), path: "f.json") }

    @Test func everyKindOfValue() throws {
        let json = try parse(
            #" {"a":[1,-2.5e-3,true,false,null,"x\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"],"b":{},"c":[]} "#)
        #expect(json["a"]?.array?.count == 6)
        #expect(json["a"]?.array?[1].double == -2.5e-3)
        #expect(json["a"]?.array?[5].string == "x\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1f600}")
        #expect(json["b"] == [:] && json["c"] == [])
        #expect(json.object?.keys == ["a", "b", "c"])
    }

    @Test(arguments: [
        "", " ", "{", "[", "\"", "[1,]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "[1 2]", "01", "-", "1.", ".5", "+1", "1e",
        "1e+", "tru", "nul", "True", "'a'", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\n\"",
        "\"\\ud800\\ud800\"",
        "\"\\udc00\"", "\"\u{1}\"", "\"a\nb\"", "1 2", "{}x", "[1]]", "0x10", "\u{feff}{}", "{\"a\":1,\"a\":2}", "NaNs",
    ])
    func whatIsNotJSONIsRefused(text: String) throws {
        let error = fileError("\(text)") { _ = try parse(text) }
        #expect(error?.path == "f.json" && error?.offset != nil)
    }

    @Test func invalidUTF8IsRefused() {
        for bytes: [UInt8] in [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]] {
            #expect(fileError("\(bytes)") { _ = try JSON(parsing: [0x22] + bytes + [0x22], path: "f") } != nil)
        }
    }

    @Test func nestingIsBounded() throws {
        _ = try parse(String(repeating: "[", count: 128) + String(repeating: "]", count: 128))
        #expect(
            fileError { _ = try parse(String(repeating: "[", count: 1_000_000)) }?.description.contains("nesting")
                == true)
    }

    @Test func numbersKeepEveryBit() throws {
        for value: UInt64 in [0, 1 << 53 + 1, .max, .max - 1] {
            #expect(try parse(JSON.number(value).text).uint64 == value)
        }
        #expect(try parse(JSON.number(Int.min).text).int == .min)
        var random = SplitMix(seed: 3)
        for _ in 0..<10_000 {
            let value = Double(bitPattern: random.next())
            let back = try #require(try parse(JSON.number(value).line).double)
            #expect(value.isNaN ? back.isNaN : back.bitPattern == value.bitPattern)
            let single = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
            let singleBack = Float(try #require(try parse(JSON.number(single).line).double))
            #expect(single.isNaN ? singleBack.isNaN : singleBack.bitPattern == single.bitPattern)
        }
        for special in [Double.infinity, -.infinity, 0, -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude] {
            #expect(try parse(JSON.number(special).line).double?.bitPattern == special.bitPattern)
        }
    }

    @Test func integersOfOtherSpellings() throws {
        #expect(try parse("128.0").int == 128)
        #expect(try parse("1e3").int == 1000)
        #expect(try parse("1.5").int == nil)
        #expect(try parse("-1").uint64 == nil)
        #expect(try parse("18446744073709551616").uint64 == nil)
        #expect(try parse("1e400").int == nil)
        #expect(try parse("true").int == nil && parse("\"1\"").int == nil)
        #expect(try parse("[NaN, Infinity]").array?.first?.double?.isNaN == true)
    }

    @Test func readAndSavedAgainIsTheSame() throws {
        let text = """
            {
              "z": 1.50,
              "a": [1, 2, "x"],
              "nested": [
                {
                  "k": null
                },
                []
              ],
              "empty": {},
              "quote\\"\\u0001\\n": true
            }
            """
        #expect(try parse(text).text == text)
        #expect(try parse(parse(text).line) == parse(text))
        #expect(try !parse(text).line.contains("\n") && !parse(text).line.contains(": "))
    }

    @Test func objectsKeepTheirOrder() {
        var object: JSONObject = ["b": 1, "a": 2]
        object["b"] = 3
        object["c"] = nil
        object["d"] = .null
        object["a"] = nil
        #expect(object.keys == ["b", "d"])
        #expect(object.pairs.map(\.value) == [3, nil])
        #expect(JSONObject([("x", 1), ("y", 2)]) == JSONObject([("y", 2), ("x", 1)]))
    }

    @Test func randomBytesNeverCrash() {
        let alphabet = Array("{}[]\",:\\u0123456789eE+-.truefalsn \u{e9}".utf8)
        for seed in 0..<20_000 {
            var random = SplitMix(seed: UInt64(seed))
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            if let json = try? JSON(parsing: bytes, path: "f") {
                #expect((try? JSON(parsing: Array(json.text.utf8), path: "f")) == json, "seed \(seed)")
            }
        }
    }

    @Test func readersNameTheKey() throws {
        let reader = try JSONReader(
            try parse(#"{"n":3,"x":"y","o":{"deep":[1,"a"]},"null":null,"nan":"NaN"}"#), path: "f.json")
        #expect(try reader.integer("n", in: 1...3) == 3)
        #expect(try reader.integer("null", default: 7) == 7)
        #expect(try reader.double("nan", finite: false).isNaN)
        #expect(fileError { _ = try reader.double("nan") }?.expected == "a finite number")
        #expect(
            fileError { _ = try reader.integer("n", in: 4...9) }?.description.contains("from 4 to 9, found 3") == true)
        #expect(fileError { _ = try reader.integer("x") }?.description.contains("key 'x'") == true)
        #expect(fileError { _ = try reader.string("nothing") }?.found == "no such key")
        #expect(fileError { _ = try reader.string("null") }?.found == "null")
        #expect(fileError { _ = try reader.reader("o").doubles("deep") }?.problem == "key 'o.deep'")
        #expect(fileError { _ = try reader.reader("n") }?.expected == "an object")
        #expect(fileError { _ = try JSONReader([1], path: "f") }?.kind == .malformed)
    }
}
