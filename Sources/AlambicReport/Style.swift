/// The look of every page, light and dark.
public enum Style {
    /// A style sheet.
    public static let css = """
        :root { --ink: #1d232b; --soft: #5b6672; --paper: #fbfaf7; --rule: #dcd8cf; --card: #fff;
          --s0: #1f5fa8; --s1: #c8553d; --s2: #2c8a57; --s3: #8a5bb0; --s4: #b58a1b; --s5: #3a8f9e; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --soft: #a2a8b0; --paper: #16191d; --rule: #343a42; --card: #1d2127;
          --s0: #6fa8e8; --s1: #f08a72; --s2: #6cc79a; --s3: #c19be6; --s4: #e0b94a; --s5: #74c5d2; } }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 ui-sans-serif, system-ui, sans-serif; }
        main { max-width: 860px; margin: 0 auto; padding: 40px 24px 80px; }
        h1 { font-size: 28px; line-height: 1.2; letter-spacing: -0.01em; margin: 0 0 12px; }
        h2 { font-size: 19px; margin: 40px 0 8px; }
        .note { color: var(--soft); font-size: 14px; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
        td { white-space: nowrap; }
        th, td { padding: 6px 8px; text-align: right; border-bottom: 1px solid var(--rule); }
        th:first-child { text-align: left; white-space: nowrap; }
        thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
        tbody th { font-weight: 600; }
        svg { width: 100%; height: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; }
        .grid { stroke: var(--rule); stroke-width: 1; }
        .tick, .value { fill: var(--soft); font-size: 11px; }
        .title, .label { fill: var(--ink); font-size: 12px; }
        .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
        .line.s0 { stroke: var(--s0); } .line.s1 { stroke: var(--s1); } .line.s2 { stroke: var(--s2); }
        .line.s3 { stroke: var(--s3); } .line.s4 { stroke: var(--s4); } .line.s5 { stroke: var(--s5); }
        .dot.s0, .bar.s0 { fill: var(--s0); } .dot.s1, .bar.s1 { fill: var(--s1); } .dot.s2, .bar.s2 { fill: var(--s2); }
        .dot.s3, .bar.s3 { fill: var(--s3); } .dot.s4, .bar.s4 { fill: var(--s4); } .dot.s5, .bar.s5 { fill: var(--s5); }
        .legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0; margin: 8px 0 0; font-size: 13px; }
        .key { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
        .key.s0 { background: var(--s0); } .key.s1 { background: var(--s1); } .key.s2 { background: var(--s2); }
        .key.s3 { background: var(--s3); } .key.s4 { background: var(--s4); } .key.s5 { background: var(--s5); }
        pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 16px; font-size: 13px; line-height: 1.5; }
        """

    /// The same for pictures of their own.
    static let picture = """
        .grid { stroke: #dcd8cf; } .tick { fill: #5b6672; font-size: 11px; } .title, .label { fill: #1d232b; font-size: 12px; }
        .head { fill: #1d232b; font-size: 15px; font-weight: 600; } .line { fill: none; stroke-width: 2; }
        .line.s0 { stroke: #1f5fa8; } .line.s1 { stroke: #c8553d; } .line.s2 { stroke: #2c8a57; } .line.s3 { stroke: #8a5bb0; }
        .line.s4 { stroke: #b58a1b; } .line.s5 { stroke: #3a8f9e; } .bar.s0 { fill: #1f5fa8; } .bar.s1 { fill: #c8553d; }
        .bar.s2 { fill: #2c8a57; } .bar.s3 { fill: #8a5bb0; } .bar.s4 { fill: #b58a1b; } .bar.s5 { fill: #3a8f9e; }
        """
}
